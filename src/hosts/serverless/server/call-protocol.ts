/**
 * What a call of an isolated function looks like over HTTP, for the host that sends it and the server that answers.
 * `docs/wire/calls.md` describes it.
 * @module
 */
import { deserialize, serialize } from "node:v8";
import { FalSerializationError } from "../../../errors.ts";

/** The version of what follows. A server refuses one that it does not know. */
export const CALL_FORMAT = 1;

/** The largest body, in bytes: the longest text that Node can hold. */
export const BODY_LIMIT_BYTES = 2 ** 29 - 24;

/** What stands around a value in a body is shorter, in bytes. */
const FRAME_BYTES = 64;

/**
 * What the server prints to each of the two outputs when a call has ended, so that all that the function printed is known
 * to have arrived where the line has.
 */
export const END_OF_OUTPUT = "[servable] the call has ended";

/** The body of a call: `POST /`. */
export interface CallBody {
  readonly format: number;
  /** The list of arguments, {@link packed}. */
  readonly args: string;
}

/** The answer: what the function returned, or what was thrown, taken apart; either {@link packed}. */
export type CallAnswer = { readonly result: string } | { readonly thrown: string };

/**
 * A value as a text: the form of structured clone, in base64.
 * @param label what it is, for messages
 * @throws FalSerializationError when it is too large
 */
export function packed(value: unknown, label = "a value"): string {
  const bytes = serialize(value);
  assertFits(bytes.length, label);
  return bytes.toString("base64");
}

/** The value of a text. @throws for a text that is none */
export function unpacked(text: string): unknown {
  return deserialize(Buffer.from(text, "base64"));
}

/** @throws FalSerializationError when a value of so many bytes is too large for a body */
export function assertFits(bytes: number, label: string): void {
  const limit = Math.floor(((BODY_LIMIT_BYTES - FRAME_BYTES) / 4) * 3);
  if (bytes <= limit) return;
  const megabytes = (count: number): string => `${Math.floor(count / 1e6)} MB`;
  throw new FalSerializationError(
    `${label} is too large: it has ${megabytes(bytes)}, and no more than ${megabytes(limit)} can travel; put it into a store, and pass where it is`,
  );
}
