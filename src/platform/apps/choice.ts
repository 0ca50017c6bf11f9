import { UsageError } from "../../errors.ts";

/**
 * What a word stands for in the protocol. A word that stands for nothing must not be left out: it would be another choice.
 * @throws UsageError that names the words there are
 */
export function choice<Value>(name: string, choices: Readonly<Record<string, Value>>, word: string): Value {
  if (Object.hasOwn(choices, word)) return choices[word] as Value;
  const words = Object.keys(choices).map((key) => `"${key}"`);
  throw new UsageError(`${name} has to be one of ${words.join(", ")}, not "${String(word)}".`);
}
