import { isThenable } from "../thenable.ts";

/** The waits of one call, one at a time, which its abort ends. */
export class AbortableWaits {
  #abort: ((reason: unknown) => void) | undefined;
  #aborted: { readonly reason: unknown } | undefined;

  /**
   * Starts work and waits for it. Does not start it after an abort.
   * @throws the reason of an abort, at once; the outcome of the work is ignored from then on
   */
  until<Result>(start: () => Result | PromiseLike<Result>): Result | Promise<Result> {
    if (this.#aborted !== undefined) throw this.#aborted.reason;
    const work = start();
    if (!isThenable(work)) return work;
    return new Promise<Result>((resolve, reject) => {
      this.#abort = reject;
      Promise.resolve(work).then(resolve, reject);
    });
  }

  /** Ends the current wait and those after it. Further reasons are ignored. */
  abort(reason: unknown): void {
    this.#aborted ??= { reason };
    this.#abort?.(reason);
  }
}
