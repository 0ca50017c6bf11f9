import { UsageError } from "../../errors.ts";

/** The largest number that the protocol's fields hold. */
const MAX_AMOUNT = 2 ** 31 - 1;

/** A setting that may have been left out, and is then left out of what is sent. */
type Amount = number | undefined;

/**
 * A number as it travels: whole, and of a size that there is room for.
 * @throws UsageError that names it
 */
export function wholeAmount<Value extends Amount>(name: string, value: Value): Value {
  if (value === undefined || isAmount(value)) return value;
  throw new UsageError(`${name} has to be a whole number from 0, not ${String(value)}.`);
}

/**
 * A number of seconds as it travels: whole. A limit that was rounded down would be too early.
 * @throws UsageError that names it
 */
export function wholeSeconds(name: string, value: Amount): Amount {
  if (value === undefined) return undefined;
  const seconds = Math.ceil(value);
  if (isAmount(seconds)) return seconds;
  throw new UsageError(`${name} has to be a number of seconds from 0, not ${String(value)}.`);
}

function isAmount(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= MAX_AMOUNT;
}
