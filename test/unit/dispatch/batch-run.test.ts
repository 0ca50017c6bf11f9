import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure, runBatch } from "../../../src/dispatch/batch-run.ts";
import { BatchItemErrors, BatchLengthException } from "../../../src/errors.ts";

const running = { signal: new AbortController().signal };
const gone = { signal: AbortSignal.abort() };
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const double = (values: readonly number[]): number[] => values.map((value) => 2 * value);

/** A method that throws if its batch contains one of these items; and the batches it was called with. */
function failing(bad: readonly number[], thrown: unknown = new Error("bad")) {
  const calls: number[][] = [];
  const call = async (values: readonly number[]): Promise<number[]> => {
    calls.push([...values]);
    if (values.some((value) => bad.includes(value))) throw thrown;
    return double(values);
  };
  return { calls, call };
}

test("a batch method returns one result per item, in order, directly or as a promise", async () => {
  assert.deepEqual(await runBatch("run", [1, 2], double, false, running), [2, 4]);
  assert.deepEqual(await runBatch("run", [1, 2], async (values) => double(values), false, running), [2, 4]);
});

test("errors among the results become the answers to those items", async () => {
  const error = new Error("odd");
  const results = await runBatch("run", [1, 2], () => [error, 4], false, running);
  assert.deepEqual(results, [error, 4]);
});

test("too few results, too many, or no array: the error says what was expected and what was returned", async () => {
  const cases: [unknown, string][] = [
    [[], "run() returned 0 results for 2 inputs; return one result for each, in order."],
    [[1], "run() returned 1 result for 2 inputs; return one result for each, in order."],
    [[1, 2, 3], "run() returned 3 results for 2 inputs; return one result for each, in order."],
    [undefined, "run() returned no array but undefined for 2 inputs; return one result for each, in order."],
    [null, "run() returned no array but null for 2 inputs; return one result for each, in order."],
    ["ab", "run() returned no array but string for 2 inputs; return one result for each, in order."],
    [{ length: 2 }, "run() returned no array but object for 2 inputs; return one result for each, in order."],
  ];
  for (const [returned, message] of cases) {
    for (const isolateErrors of [false, true]) {
      let calls = 0;
      const call = (): unknown => (calls++, returned);
      await assert.rejects(runBatch("run", [1, 2], call, isolateErrors, running), (error) => {
        assert.ok(error instanceof BatchLengthException);
        assert.equal(error.message, message);
        return true;
      });
      assert.equal(calls, 1, "a method that counts wrong is not called again");
    }
  }
});

test("BatchItemErrors gives each item its own result, if there is one for each", async () => {
  const results = [new Error("first"), 4];
  const call = (): never => {
    throw new BatchItemErrors(results);
  };
  assert.deepEqual(await runBatch("run", [1, 2], call, false, running), results);
  await assert.rejects(runBatch("run", [1, 2, 3], call, false, running), BatchLengthException);
});

test("a method that throws fails the batch after one call", async () => {
  const { calls, call } = failing([1]);
  await assert.rejects(runBatch("run", range(4), call, false, running), { message: "bad" });
  assert.equal(calls.length, 1);
});

test("isolateErrors: the batch is halved until the failing item is alone, in 1 + 2 log n calls", async () => {
  for (const [size, count] of [
    [1, 1],
    [2, 3],
    [8, 7],
    [64, 13],
  ] as const) {
    for (const bad of [0, size - 1]) {
      const { calls, call } = failing([bad]);
      const results = await runBatch("run", range(size), call, true, running);
      assert.equal(calls.length, count);
      results.forEach((result, value) => {
        if (value === bad) assert.equal((result as Error).message, "bad");
        else assert.equal(result, 2 * value);
      });
    }
  }
});

test("isolateErrors: odd batches are halved in order", async () => {
  const { calls, call } = failing([3]);
  await runBatch("run", range(5), call, true, running);
  assert.deepEqual(calls, [[0, 1, 2, 3, 4], [0, 1, 2], [3, 4], [3], [4]]);
});

test("isolateErrors: if all items are faulty, all fail, in 2n - 1 calls", async () => {
  const { calls, call } = failing(range(16));
  const results = await runBatch("run", range(16), call, true, running);
  assert.equal(calls.length, 31);
  assert.ok(results.every((result) => result instanceof Error));
});

test("isolateErrors: a half that returns the wrong number of results fails with that error; the other half is unaffected", async () => {
  const call = (values: readonly number[]): unknown => {
    if (values.length === 4) throw new Error("bad");
    return values.includes(0) ? [] : double(values);
  };
  const results = await runBatch("run", range(4), call, true, running);
  assert.ok(results[0] instanceof BatchLengthException && results[1] instanceof BatchLengthException);
  assert.deepEqual(results.slice(2), [4, 6]);
});

test("isolateErrors: items of disconnected callers are not run again", async () => {
  const { calls, call } = failing([1]);
  await assert.rejects(runBatch("run", range(4), call, true, gone));
  assert.equal(calls.length, 1);
});

test("any thrown value is the failure, even if it is not an error", async () => {
  const thrown = { status: 418 };
  await assert.rejects(runBatch("run", [1, 2], failing([1], thrown).call, false, running), (error) => {
    return error === thrown;
  });
  const results = await runBatch("run", [1, 2], failing([1], thrown).call, true, running);
  assert.ok(results[0] instanceof Failure && results[0].reason === thrown);
  assert.equal(results[1], 4);
});
