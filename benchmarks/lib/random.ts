/** Random numbers that are the same in every run with the same seed. */
export class SeededRandom {
  #state: number;

  /** @param seed any integer. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Evenly spread over 0 (included) to 1 (excluded). */
  uniform(): number {
    // mulberry32
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** The time between two independent events, in the unit of its mean. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.uniform());
  }

  /** Normally distributed, with mean 0 and deviation 1. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Log-normally distributed with mean 1: a factor for times. @param deviation as a share of the mean. */
  logNormal(deviation: number): number {
    const variance = Math.log(1 + deviation * deviation);
    return Math.exp(Math.sqrt(variance) * this.normal() - variance / 2);
  }

  /** Gamma-distributed with scale 1, by the method of Marsaglia and Tsang. @param shape its mean, above 0 */
  gamma(shape: number): number {
    if (shape < 1) return this.gamma(shape + 1) * (1 - this.uniform()) ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - this.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  }
}
