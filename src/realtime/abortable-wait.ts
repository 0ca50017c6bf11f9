/** What {@link AbortableWait.until} gives when the session was aborted first. */
export const LEFT: unique symbol = Symbol("left");

/**
 * Waits for the handler, but not beyond the session's signal or a failure elsewhere in the session. One wait at a
 * time: a listener for each would cost more than a message does, and races would pile up on whatever outlives them.
 */
export class AbortableWait {
  readonly #signal: AbortSignal;
  #resolve: ((outcome: typeof LEFT) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#resolve?.(LEFT), { once: true });
  }

  /** The work's outcome, or {@link LEFT}. What the work does later is ignored. */
  until<T>(work: PromiseLike<T>): Promise<T | typeof LEFT> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      if (this.#signal.aborted) resolve(LEFT);
      else if (this.#failure !== undefined) reject(this.#failure.error);
      work.then(resolve, reject);
    });
  }

  /** Ends the wait of this moment with an error, else the next one. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#reject?.(error);
  }
}
