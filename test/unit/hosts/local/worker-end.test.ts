import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  cannotStart,
  describeEnd,
  type WorkerCircumstances,
} from "../../../../src/hosts/local/worker-end.ts";
import type { WorkerEnd } from "../../../../src/processes/worker-channel.ts";

const HEAP = "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory";

describe("the error for a worker that ended mentions", () => {
  const cases: [
    what: string,
    end: WorkerEnd,
    circumstances: Partial<WorkerCircumstances>,
    message: string,
  ][] = [
    ["its exit code", { code: 3, signal: null }, {}, "The process of f() ended (exit code 3)."],
    [
      "what may be behind exit code 0",
      { code: 0, signal: null },
      {},
      "The process of f() ended (exit code 0). The function called process.exit().",
    ],
    [
      "an exit code that ends in 0",
      { code: 10, signal: null },
      {},
      "The process of f() ended (exit code 10).",
    ],
    [
      "that it was not set up yet",
      { code: 1, signal: null },
      { isReady: false },
      "The process of f() ended while it was set up (exit code 1). If it did not call process.exit(1), nothing caught an error, which is in the logs.",
    ],
    [
      "the signal, and what that may mean",
      { code: null, signal: "SIGKILL" },
      {},
      "The process of f() ended (killed by SIGKILL). If nobody killed it, the machine may have run out of memory.",
    ],
    [
      "a signal of which nothing is known",
      { code: null, signal: "SIGHUP" },
      {},
      "The process of f() ended (killed by SIGHUP).",
    ],
    [
      "the memory that it had, when that was too much",
      { code: null, signal: "SIGKILL" },
      { memoryLimitMb: 100, outOfMemoryBytes: 123_400_000 },
      "The process of f() ended: it had 123 MB of memory, more than its memoryLimitMb of 100.",
    ],
    [
      "that its heap was full",
      { code: null, signal: "SIGABRT" },
      { memoryLimitMb: 100, lastLines: ["<--- Last few GCs --->", HEAP] },
      "The process of f() ended: it ran out of memory, with a memoryLimitMb of 100.",
    ],
    [
      "that its heap was full, and how to give it more",
      { code: null, signal: "SIGABRT" },
      { lastLines: [HEAP], isReady: false },
      "The process of f() ended while it was set up: it ran out of memory (Node's heap is full; memoryLimitMb sets its size).",
    ],
  ];
  for (const [what, end, circumstances, message] of cases) {
    test(what, () => {
      const error = describeEnd(end, {
        functionName: "f()",
        isReady: true,
        memoryLimitMb: undefined,
        outOfMemoryBytes: undefined,
        lastLines: [],
        ...circumstances,
      });
      assert.equal(error.message, message);
      assert.equal(error.code, "FUNCTION_WORKER_DIED");
    });
  }

  test("why it could not be started, as its cause", () => {
    const cause = new Error("spawn EAGAIN");
    const error = cannotStart("f()", cause);
    assert.equal(error.message, "The process of f() can't be started: spawn EAGAIN");
    assert.equal(error.cause, cause);
    assert.equal(error.code, "FUNCTION_WORKER_DIED");
  });
});
