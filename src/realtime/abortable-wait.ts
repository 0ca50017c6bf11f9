/** The result of {@link AbortableWait.until} if the session is aborted first. */
export const LEFT: unique symbol = Symbol("left");

/**
 * Waits for the handler until the session's signal aborts or another part of the session fails. One wait at a time: a
 * listener for each wait would cost more than a message, and `Promise.race` leaks on promises that outlive it.
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

  /** Settles as `work` does, or resolves to {@link LEFT}. A later outcome of the work is ignored. */
  until<T>(work: PromiseLike<T>): Promise<T | typeof LEFT> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      if (this.#signal.aborted) resolve(LEFT);
      else if (this.#failure !== undefined) reject(this.#failure.error);
      work.then(resolve, reject);
    });
  }

  /** Rejects the current wait, or the next one. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#reject?.(error);
  }
}
