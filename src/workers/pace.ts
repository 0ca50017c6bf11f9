/** Calls that a worker gets at once are expected to take this time together, in milliseconds. */
const TOGETHER_MS = 1;
const MOST = 8;
/** The weight of a new call in the average. */
const NEW = 0.02;
/** The average before the first call: too long for more than one at once. */
const FIRST_MS = 10;

/** The time of a route's calls in a worker, which limits how many calls a worker gets at once. */
export class Pace {
  #meanMs = FIRST_MS;

  /** Adds the time of a call. */
  add(ms: number): void {
    this.#meanMs += NEW * (ms - this.#meanMs);
  }

  /** The number of calls that a worker may get at once. */
  get together(): number {
    return Math.max(1, Math.min(MOST, Math.floor(TOGETHER_MS / this.#meanMs)));
  }
}
