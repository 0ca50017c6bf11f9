/** Times closer than this count as the same, in milliseconds: of many arrivals, few compute an exponential. */
const GRAIN_MS = 0.1;

/** The arrival rate in jobs per millisecond, averaged over about the last `memoryMs`. */
export class ArrivalRate {
  readonly #memoryMs: number;
  /** Number of arrivals, each discounted exponentially by its age. */
  #weight = 0;
  #since: number | undefined;
  #at = 0;

  constructor(memoryMs: number) {
    this.#memoryMs = memoryMs;
  }

  /** Counts an arrival. */
  count(now: number): void {
    this.#decay(now);
    this.#weight++;
    this.#since ??= now;
  }

  /** Arrivals per millisecond; 0 before the first. */
  at(now: number): number {
    if (this.#since === undefined) return 0;
    this.#decay(now);
    // Measured since the first arrival. The lower bound keeps a single arrival from looking like a burst.
    const known = 1 - Math.exp(-Math.max((now - this.#since) / this.#memoryMs, 0.1));
    return this.#weight / (this.#memoryMs * known);
  }

  #decay(now: number): void {
    if (now - this.#at < GRAIN_MS) return;
    this.#weight *= Math.exp(-(now - this.#at) / this.#memoryMs);
    this.#at = now;
  }
}
