/** What {@link Attendance.until} gives when the session was aborted first. */
export const LEFT: unique symbol = Symbol("left");

/**
 * Waits for the handler, but not beyond the session's signal. One wait at a time: a listener for each would cost more
 * than a message does.
 */
export class Attendance {
  readonly #signal: AbortSignal;
  #leave: (() => void) | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#leave?.(), { once: true });
  }

  /** The work's outcome, or {@link LEFT}. What the work does later is ignored. */
  until<T>(work: PromiseLike<T>): Promise<T | typeof LEFT> {
    return new Promise((resolve, reject) => {
      const leave = (): void => resolve(LEFT);
      this.#leave = leave;
      if (this.#signal.aborted) leave();
      work.then((value) => {
        if (this.#leave === leave) this.#leave = undefined;
        resolve(value);
      }, reject);
    });
  }
}
