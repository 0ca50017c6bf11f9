import { RequestCancelledException } from "../errors.ts";

/** A call that is on its way: a promise that can be cancelled. */
export class Submission<Result> extends Promise<Result> {
  #controller: AbortController | undefined;

  /** What `then()` makes of it is an ordinary promise. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  /** Starts a call with a signal that is aborted by {@link cancel} or by the caller's own. */
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
   * Ends the call: it rejects at once with the reason, the run is told by its signal and, when it does not stop,
   * its process is ended. A call that has ended does not care.
   * @param reason by default a `RequestCancelledException`
   */
  cancel(reason: unknown = new RequestCancelledException("The call was cancelled.")): void {
    this.#controller?.abort(reason);
  }
}
