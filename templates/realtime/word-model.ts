/** Counts which word follows which in a text. */
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

  /** Completions of the last word of a text; after a space, likely next words. The most likely first. */
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

  /** A word that follows another: one of the three most likely, a different one each turn. Undefined if no word does. */
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
