import { UsageError } from "../errors.ts";

/** A time in a protocol message. */
interface WireTime {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** Converts a time of the protocol, to the millisecond. */
export function dateOf({ seconds, nanos }: WireTime): Date {
  return new Date(Number(seconds) * 1_000 + Math.floor(nanos / 1_000_000));
}

/** Converts a time for the protocol. @throws UsageError for an invalid Date */
export function wireTime(date: Date): { seconds: bigint; nanos: number } {
  const ms = date.getTime();
  if (Number.isNaN(ms)) throw new UsageError("The time is an invalid Date.");
  const seconds = Math.floor(ms / 1_000);
  return { seconds: BigInt(seconds), nanos: (ms - seconds * 1_000) * 1_000_000 };
}
