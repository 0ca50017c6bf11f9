import { UsageError } from "../../errors.ts";

/**
 * The value of a word in the protocol. An unknown word is refused: left out, it would mean the default.
 * @throws UsageError that lists the known words
 */
export function choice<Value>(name: string, choices: Readonly<Record<string, Value>>, word: string): Value {
  if (Object.hasOwn(choices, word)) return choices[word] as Value;
  const words = Object.keys(choices).map((key) => `"${key}"`);
  throw new UsageError(`${name} has to be one of ${words.join(", ")}, not "${String(word)}".`);
}

/** The name of a word in the protocol's enums: the same in capitals. @throws UsageError that lists the known words */
export function enumName<Word extends string>(
  name: string,
  words: readonly Word[],
  word: Word,
): Uppercase<Word> {
  const names = Object.fromEntries(words.map((known) => [known, known.toUpperCase() as Uppercase<Word>]));
  return choice(name, names, word);
}
