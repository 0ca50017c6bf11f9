/** How fast work arrives, in jobs per millisecond, over about the last `memoryMs`. */
export class ArrivalRate {
  readonly #memoryMs: number;
  /** Arrivals, each worth less the longer ago it was. */
  #weight = 0;
  #since: number | undefined;
  #at = 0;

  constructor(memoryMs: number) {
    this.#memoryMs = memoryMs;
  }

  /** One more has arrived. */
  count(now: number): void {
    this.#decay(now);
    this.#weight++;
    this.#since ??= now;
  }

  /** Arrivals per millisecond; 0 before the first. */
  at(now: number): number {
    if (this.#since === undefined) return 0;
    this.#decay(now);
    // Of the time before the first arrival nothing is known, and from a moment no rate can be told.
    const known = 1 - Math.exp(-Math.max((now - this.#since) / this.#memoryMs, 0.1));
    return this.#weight / (this.#memoryMs * known);
  }

  #decay(now: number): void {
    this.#weight *= Math.exp(-(now - this.#at) / this.#memoryMs);
    this.#at = now;
  }
}
