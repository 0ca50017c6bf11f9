import { RequestCancelledException } from "../errors.ts";

/** A running call: a promise that can be cancelled. */
export class Submission<Result> extends Promise<Result> {
  #controller: AbortController | undefined;

  /** `then()` returns an ordinary promise. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  /** Starts a call with a signal that is aborted by {@link cancel} or by the caller's own signal. */
  static start<Result>(
    call: (signal: AbortSignal) => Promise<Result>,
    outer: AbortSignal | undefined,
  ): Submission<Result> {
    const controller = new AbortController();
    const follow = (): void => controller.abort(outer?.reason);
    if (outer?.aborted === true) follow();
    else outer?.addEventListener("abort", follow, { once: true });
    const submission = new Submission<Result>((resolve, reject) => {
      call(controller.signal)
        .finally(() => outer?.removeEventListener("abort", follow))
        .then(resolve, reject);
    });
    submission.#controller = controller;
    return submission;
  }

  /**
   * Cancels the call: it rejects immediately with the reason, and the run's signal is aborted. If the run does not stop,
   * its process is ended. No effect on a call that has ended.
   * @param reason by default a `RequestCancelledException`
   */
  cancel(reason: unknown = new RequestCancelledException("The call was cancelled.")): void {
    this.#controller?.abort(reason);
  }
}
