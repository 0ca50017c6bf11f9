import { UsageError } from "../../errors.ts";
import { misfit, Misfit, type Check } from "../../settings/check.ts";

/** The largest number that a field of the protocol holds. */
const MAX_INT32 = 2 ** 31 - 1;

const isInt32 = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_INT32;
export const int32: Check<number> = (value) =>
  isInt32(value) ? value : misfit("a whole number from 0", value);
/** Rounds fractions up, because a limit that is rounded down would be shorter than requested. */
export const int32Seconds: Check<number> = (value) => {
  const whole = typeof value === "number" ? Math.ceil(value) : value;
  return isInt32(whole) ? whole : misfit("a number of seconds from 0", value);
};

/** @throws UsageError that names the value */
export function checked<Value>(name: string, check: Check<Value>, value: unknown): Value {
  const result = check(value);
  if (!(result instanceof Misfit)) return result;
  throw new UsageError(`${name} has to be ${result.expected}, not ${result.got}.`);
}

/**
 * The protocol's value for a word. Unknown words are rejected, because the control plane would use its default for an
 * omitted value.
 * @throws UsageError that lists the known words
 */
export function choice<Value>(name: string, choices: Readonly<Record<string, Value>>, word: string): Value {
  if (Object.hasOwn(choices, word)) return choices[word] as Value;
  const words = Object.keys(choices).map((key) => `"${key}"`);
  throw new UsageError(`${name} has to be one of ${words.join(", ")}, not "${String(word)}".`);
}

/**
 * The name of a word in the enums of the protocol, which is the word in capitals.
 * @throws UsageError that lists the known words
 */
export function enumName<Word extends string>(
  name: string,
  words: readonly Word[],
  word: Word,
): Uppercase<Word> {
  const names = Object.fromEntries(words.map((known) => [known, known.toUpperCase() as Uppercase<Word>]));
  return choice(name, names, word);
}
