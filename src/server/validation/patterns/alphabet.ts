/** Characters of every sort that patterns tell apart, beside those that a pattern names itself. */
const SAMPLES = [..."a9A_ \n\r\t-.@:/%+é中Яαאعक😀\u{10FFFF}\u2028\u00a0\0!\"#$&'()*,;<=>?[\\]^`{|}~zZ05fFgG"];

/** As many of them as a set of alternatives can be told apart by. */
export type CharacterSet = readonly boolean[];

/** Makes sets of the characters of a pattern, so that it can be told whether two of them have one in common. */
export class Alphabet {
  readonly #characters: readonly string[];
  readonly #sets = new Map<string, CharacterSet>();

  constructor(source: string) {
    const named = [...source].flatMap((character) => {
      const code = character.codePointAt(0) as number;
      return [code - 1, code, code + 1];
    });
    for (const [, hex = ""] of source.matchAll(/\\(?:x|u\{?)([0-9a-fA-F]+)/g)) {
      const code = Number.parseInt(hex, 16);
      named.push(code - 1, code, code + 1);
    }
    const codes = new Set(named.filter((code) => code >= 0 && code <= 0x10ffff));
    if (/\\p/i.test(source)) for (let code = 0; code < 0x3100; code += 7) codes.add(code);
    this.#characters = [...new Set([...SAMPLES, ...[...codes].map((code) => String.fromCodePoint(code))])];
  }

  /** The set of one character's pattern: `a`, `\d`, `[^x]`. */
  setOf(source: string): CharacterSet {
    let set = this.#sets.get(source);
    if (set === undefined) {
      const pattern = new RegExp(`^(?:${source})$`, "u");
      set = this.#characters.map((character) => pattern.test(character));
      this.#sets.set(source, set);
    }
    return set;
  }

  /** Each character's position in the sets. */
  get size(): number {
    return this.#characters.length;
  }
}

/** Whether some character is in all of the sets. */
export function overlap(...sets: readonly CharacterSet[]): boolean {
  const [first = [], ...others] = sets;
  return first.some((has, index) => has && others.every((set) => set[index]));
}
