/** Options of a {@link Backoff}. */
export interface BackoffOptions {
  /** The first wait, in milliseconds. Each further one is twice as long. */
  readonly firstMs: number;
  /** The longest wait, in milliseconds. Default: no limit. */
  readonly lastMs?: number;
  /** Changes each wait by up to this fraction at random, so that many callers don't return at the same moment. Default 0. */
  readonly jitter?: number;
  /** Whether the first retry is immediate. Default false. */
  readonly isFirstImmediate?: boolean;
  /** Time of success, in milliseconds, after which the waits start again from the first. Default: never. */
  readonly stableMs?: number;
}

/** Exponential back-off: determines the wait before the next attempt. */
export class Backoff {
  readonly #options: BackoffOptions;
  #doublings: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#doublings = this.#start;
  }

  /**
   * The wait after a failure, in milliseconds.
   * @param succeededMs time for which the attempt was successful before it failed
   */
  next(succeededMs = 0): number {
    const { firstMs, lastMs = Infinity, jitter = 0, stableMs = Infinity } = this.#options;
    if (succeededMs >= stableMs) this.reset();
    const doublings = this.#doublings++;
    if (doublings < 0) return 0;
    return Math.min(lastMs, firstMs * 2 ** doublings) * (1 - jitter + Math.random() * 2 * jitter);
  }

  /** Starts again from the first wait. */
  reset(): void {
    this.#doublings = this.#start;
  }

  get #start(): number {
    return this.#options.isFirstImmediate === true ? -1 : 0;
  }
}
