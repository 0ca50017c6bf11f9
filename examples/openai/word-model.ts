/** A model of a language: which words follow each pair of words in a text. */
export class WordModel {
  readonly #next = new Map<string, string[]>();
  readonly #starts: string[] = [];

  /** @param text the text to learn from */
  constructor(text: string) {
    const words = text.split(/\s+/).filter((word) => /^[\w'’-]+[.,:;?!]?$/.test(word));
    for (let index = 0; index + 2 < words.length; index++) {
      const [first = "", second = "", third = ""] = words.slice(index, index + 3);
      const pair = `${first} ${second}`;
      const known = this.#next.get(pair);
      if (known === undefined) this.#next.set(pair, [third]);
      else known.push(third);
      if (/^[A-Z]/.test(first)) this.#starts.push(pair);
    }
  }

  /** Generates words that follow each other in the text. The same seed gives the same words. */
  *words(seed: number): Generator<string> {
    const random = createRandom(seed);
    const choose = (list: readonly string[]): string => list[Math.floor(random() * list.length)] ?? "";
    for (;;) {
      let [first = "", second = ""] = choose(this.#starts).split(" ");
      yield first;
      yield second;
      for (;;) {
        const next = this.#next.get(`${first} ${second}`);
        if (next === undefined) break;
        [first, second] = [second, choose(next)];
        yield second;
      }
    }
  }
}

/** Numbers from 0 to 1 by mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
