import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RequestCancelledException } from "../../../src/errors.ts";
import { Submission } from "../../../src/functions/submission.ts";

/** A call that ends when its signal aborts. */
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    const leave = (): void => reject(signal.reason);
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave);
  });

describe("a submission", () => {
  test("is a promise of the call's result; then() returns a plain promise", async () => {
    const submission = Submission.start(async () => 7, undefined);
    assert.ok(submission instanceof Promise);
    assert.equal(await submission, 7);
    const next = submission.then((value) => value + 1);
    assert.equal(next instanceof Submission, false);
    assert.equal(await next, 8);
    assert.deepEqual(await Promise.all([submission, next.finally(() => {})]), [7, 8]);
  });

  test("rejects with the error of the call", async () => {
    const thrown = new RangeError("thrown");
    await assert.rejects(
      Submission.start(async () => Promise.reject(thrown), undefined),
      (error) => error === thrown,
    );
  });

  test("is cancelled with the given reason, or with the default one", async () => {
    const usual = Submission.start(untilAborted, undefined);
    usual.cancel();
    await assert.rejects(usual, (error) => {
      return error instanceof RequestCancelledException && error.message === "The call was cancelled.";
    });
    const special = Submission.start(untilAborted, undefined);
    special.cancel("first");
    special.cancel("second");
    await assert.rejects(special, (error) => error === "first");
  });

  test("is cancelled by its caller's signal, even by one that is already aborted", async () => {
    const controller = new AbortController();
    const followed = Submission.start(untilAborted, controller.signal);
    controller.abort("left");
    await assert.rejects(followed, (error) => error === "left");
    await assert.rejects(Submission.start(untilAborted, controller.signal), (error) => error === "left");
  });

  test("that is cancelled does not abort its caller's signal", async () => {
    const controller = new AbortController();
    const submission = Submission.start(untilAborted, controller.signal);
    submission.cancel();
    await assert.rejects(submission);
    assert.equal(controller.signal.aborted, false);
  });

  test("that has ended ignores cancel()", async () => {
    let signal: AbortSignal | undefined;
    const submission = Submission.start(async (its) => {
      signal = its;
      return 1;
    }, undefined);
    assert.equal(await submission, 1);
    submission.cancel();
    assert.equal(await submission, 1);
    assert.equal(signal?.aborted, true);
  });
});
