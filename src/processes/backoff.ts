/** The second restart in a row waits so long, each further one twice as long as the one before. In milliseconds. */
const FIRST_MS = 100;
const LAST_MS = 5_000;
/** Who has run for so long is not to blame for earlier ends, in milliseconds. */
const STABLE_MS = 10_000;

/** How long to wait before something that ended is started again: not at all at first, then longer and longer. */
export class Backoff {
  #ends = 0;

  /** The wait after an end, in milliseconds; `ranMs` is how long it had run well, 0 for not at all. */
  next(ranMs: number): number {
    if (ranMs >= STABLE_MS) this.#ends = 0;
    const ends = this.#ends++;
    return ends === 0 ? 0 : Math.min(LAST_MS, FIRST_MS * 2 ** (ends - 1));
  }
}
