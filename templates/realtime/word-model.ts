/** Knows which word follows which, and how often, in the text it has read. */
export class WordModel {
  readonly #counts = new Map<string, number>();
  readonly #followers = new Map<string, Map<string, number>>();

  constructor(text: string) {
    let last: string | undefined;
    for (const word of wordsOf(text)) {
      increment(this.#counts, word);
      if (last !== undefined) increment(this.#followersOf(last), word);
      last = word;
    }
  }

  /** Words that may end the last word of a text; behind a space, words that may come next. Likely ones first. */
  suggest(text: string, top: number): string[] {
    const words = wordsOf(text);
    const last = words.at(-1);
    if (last === undefined) return ranked(this.#counts).slice(0, top);
    if (/[\s.,!?]$/.test(text)) return ranked(this.#followers.get(last) ?? new Map()).slice(0, top);
    const before = words.at(-2);
    const likely = before === undefined ? [] : ranked(this.#followers.get(before) ?? new Map());
    const endings = [...likely, ...ranked(this.#counts)].filter(
      (word) => word.startsWith(last) && word !== last,
    );
    return [...new Set(endings)].slice(0, top);
  }

  /** A word that follows another: of the likeliest ones, another each turn. Undefined when none does. */
  follow(word: string, turn: number): string | undefined {
    const likely = ranked(this.#followers.get(word.toLowerCase()) ?? new Map()).slice(0, 3);
    return likely[turn % likely.length];
  }

  #followersOf(word: string): Map<string, number> {
    const known = this.#followers.get(word);
    if (known !== undefined) return known;
    const followers = new Map<string, number>();
    this.#followers.set(word, followers);
    return followers;
  }
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
}

function increment(counts: Map<string, number>, word: string): void {
  counts.set(word, (counts.get(word) ?? 0) + 1);
}

function ranked(counts: ReadonlyMap<string, number>): string[] {
  return [...counts].sort(([a, many], [b, more]) => more - many || (a < b ? -1 : 1)).map(([word]) => word);
}
