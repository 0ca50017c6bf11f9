import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { Failure, type RunSignal } from "../../../src/dispatch/batch-run.ts";
import { Dispatcher, type DispatcherOptions } from "../../../src/dispatch/dispatcher.ts";
import { Slots } from "../../../src/dispatch/slots.ts";
import { DispatchMetrics } from "../../../src/dispatch/metrics.ts";
import type { Refusal } from "../../../src/dispatch/refusal.ts";
import { QueueTimeoutException, RequestTimeoutException } from "../../../src/errors.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { settled } from "../../helpers/simulation.ts";

/** A dispatcher whose runs take 10 ms per item, and a log of its runs and answers, in order. */
class Bench {
  readonly clock = new FakeClock();
  readonly metrics = new DispatchMetrics();
  readonly log: string[] = [];
  readonly signals: AbortSignal[] = [];
  readonly dispatcher: Dispatcher<string>;

  constructor(options: Partial<DispatcherOptions<string>> = {}) {
    this.dispatcher = new Dispatcher<string>({
      limits: { maxSize: 4, maxCost: Infinity },
      queue: { count: 100, bytes: Infinity },
      slots: [new Slots(1)],
      clock: this.clock,
      metrics: this.metrics,
      run: (values, run) => {
        this.signals.push(run.signal);
        this.log.push(`run ${values.join("")}`);
        return new Promise((resolve) => this.clock.after(10 * values.length, () => resolve(values)));
      },
      ...options,
    });
  }

  submit(value: string, request: Partial<Parameters<Dispatcher<string>["submit"]>[0]> = {}): void {
    this.dispatcher.submit({ value, ...request }).answer.then(
      (answer) => this.log.push(`${value}: ${String(answer)}`),
      (error: Error) => this.log.push(`${value}: ${error.constructor.name}`),
    );
  }

  async pass(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    for (let due = this.clock.nextDue; due !== undefined && due <= end; due = this.clock.nextDue) {
      this.clock.advanceTo(due);
      await settled();
    }
    this.clock.advanceTo(end);
    await settled();
  }
}

test("all calls of one turn form one batch; the next batch starts before the answers are sent", async () => {
  const bench = new Bench();
  for (const value of "abcdef") bench.submit(value);
  await bench.pass(100);
  assert.deepEqual(bench.log, ["run abcd", "run ef", "a: a", "b: b", "c: c", "d: d", "e: e", "f: f"]);
});

test("if runs block the thread, answers are sent before the next run starts", async () => {
  const bench: Bench = new Bench({
    limits: { maxSize: 1, maxCost: Infinity },
    run: async (values) => {
      bench.log.push(`run ${values.join("")}`);
      bench.clock.advance(20);
      return values;
    },
  });
  bench.submit("a");
  await bench.pass(0);
  bench.submit("b");
  await bench.pass(0);
  bench.log.length = 0;
  for (const value of "cd") bench.submit(value);
  await bench.pass(100);
  assert.deepEqual(bench.log, ["run c", "c: c", "run d", "d: d"]);
});

test("a time limit that expires in the queue or during the run ends the call with the matching error", async () => {
  const bench = new Bench();
  const expired: string[] = [];
  const onExpired = (error: Error): void => void expired.push(error.message);
  bench.submit("a", { finishBy: 5, onExpired });
  await bench.pass(1);
  bench.submit("b", { startBy: 8, onExpired });
  bench.submit("c", { finishBy: 9, onExpired });
  await bench.pass(30);
  assert.deepEqual(bench.log, [
    "run a",
    `a: ${RequestTimeoutException.name}`,
    `b: ${QueueTimeoutException.name}`,
    `c: ${QueueTimeoutException.name}`,
  ]);
  assert.deepEqual(expired, [
    "The request took longer than 5 ms.",
    "The request waited 7 ms without being started.",
    "The request waited 8 ms without being started.",
  ]);
  assert.deepEqual(bench.metrics.timeouts, { queue: 2, run: 1 });
  assert.equal(bench.metrics.late, 1);
});

test("a run that started in time is not affected by the start limit", async () => {
  const bench = new Bench();
  bench.submit("a", { startBy: 5, finishBy: 50 });
  await bench.pass(30);
  assert.deepEqual(bench.log, ["run a", "a: a"]);
});

test("a call that was aborted before it was submitted is not run", async () => {
  const bench = new Bench();
  bench.submit("a", { signal: AbortSignal.abort() });
  await bench.pass(10);
  assert.equal(bench.log.filter((line) => line.startsWith("run")).length, 0);
  assert.deepEqual(bench.metrics.cancelled, { waiting: 1, running: 0 });
});

test("the signal of a run aborts when its last caller aborts", async () => {
  const bench = new Bench();
  const callers = ["a", "b"].map((value) => {
    const caller = new AbortController();
    bench.submit(value, { signal: caller.signal });
    return caller;
  });
  await bench.pass(1);
  callers[0]?.abort();
  assert.equal(bench.signals[0]?.aborted, false);
  callers[1]?.abort(new Error("both gone"));
  assert.equal(bench.signals[0]?.aborted, true);
  assert.deepEqual(bench.signals[0]?.reason, new Error("both gone"));
  await bench.pass(50);
  assert.deepEqual(bench.metrics.cancelled, { waiting: 0, running: 2 });
  assert.equal(bench.metrics.late, 2);
});

test("a caller's signal that outlives its jobs keeps no listeners", async () => {
  const bench = new Bench();
  const { signal } = new AbortController();
  for (const value of "abcdefgh") bench.submit(value, { signal });
  assert.equal(getEventListeners(signal, "abort").length, 8);
  await bench.pass(200);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("every rejection has status 429 or the configured one, and says when to retry", async () => {
  for (const overloadStatus of [undefined, 429, 503] as const) {
    const bench = new Bench({ queue: { count: 4, bytes: 10 }, overloadStatus });
    const refused = (request: { bytes?: number; finishBy?: number }): Refusal => {
      const refusal = bench.dispatcher.rejectEarly(request);
      assert.ok(refusal !== undefined);
      return refusal;
    };
    bench.submit("a");
    await bench.pass(10);
    bench.submit("b");
    await bench.pass(0);
    for (const value of "cde") bench.submit(value, { bytes: 3 });
    assert.equal(refused({ bytes: 2 }).status, overloadStatus ?? 429, "too many bytes");
    const late = refused({ finishBy: bench.clock.now() + 1 });
    assert.deepEqual([late.status, late.code], [overloadStatus ?? 429, "OVERLOADED"]);
    assert.ok(late.retryAfterMs > 5 && late.retryAfterMs < 100, String(late.retryAfterMs));
    bench.submit("f");
    const full = refused({});
    assert.deepEqual([full.status, full.code], [overloadStatus ?? 429, "QUEUE_FULL"]);
    assert.ok(full.retryAfterMs >= 10 && full.retryAfterMs < 1_000, String(full.retryAfterMs));
    assert.deepEqual(Object.fromEntries(bench.metrics.refusals), { QUEUE_FULL: 2, OVERLOADED: 1 });
  }
});

test("a wrong cost model does not reject everything: calls are still tried, and correct it", async () => {
  let slowness = 100;
  const bench: Bench = new Bench({
    run: (values) => new Promise((resolve) => bench.clock.after(10 * slowness, () => resolve(values))),
  });
  for (const value of "ab") {
    bench.submit(value);
    await bench.pass(2_000);
  }
  slowness = 1;
  for (let turn = 0; turn < 5; turn++) {
    bench.submit("c", { finishBy: bench.clock.now() + 100 });
    await bench.pass(200);
  }
  assert.deepEqual(bench.log.slice(2), Array(5).fill("c: c"));
});

test("results that are errors do not update the cost model, nor do runs that throw", async () => {
  let outcome: "item" | "throw" | "fine" = "item";
  const bench: Bench = new Bench({
    run: async (values) => {
      if (outcome === "throw") throw new Error("bad");
      return outcome === "item" ? [new Error("bad")] : values;
    },
  });
  for (outcome of ["item", "throw", "fine"] as const) {
    bench.submit("a");
    await bench.pass(1);
    assert.equal(bench.dispatcher.model.runs, outcome === "fine" ? 1 : 0);
  }
});

test("depth and age of the queue describe the jobs that wait now", async () => {
  const bench = new Bench();
  bench.submit("a");
  await bench.pass(2);
  for (const value of "bc") bench.submit(value);
  await bench.pass(3);
  assert.deepEqual([bench.metrics.depth, bench.metrics.oldestAgeMs], [2, 3]);
  await bench.pass(100);
  assert.deepEqual([bench.metrics.depth, bench.metrics.oldestAgeMs], [0, 0]);
});

test("a hint is given only where batches are possible", async () => {
  for (const maxSize of [4, 1]) {
    const hints: string[] = [];
    const bench = new Bench({
      limits: { maxSize, maxCost: Infinity },
      onHint: (advice) => hints.push(advice),
    });
    for (let turn = 0; turn < 80; turn++) {
      bench.submit("a");
      await bench.pass(11);
    }
    assert.equal(hints.length, maxSize > 1 ? 1 : 0);
  }
});

/** A dispatcher without batches whose runs take several jobs, and end when the test says so. */
function openBench(slots: number, together: number): Bench & { runs: RunSignal[]; ends: (() => void)[] } {
  const runs: RunSignal[] = [];
  const ends: (() => void)[] = [];
  const bench: Bench = new Bench({
    limits: { maxSize: 1, maxCost: Infinity },
    slots: [new Slots(slots)],
    together: () => together,
    isRetried: (error) => error instanceof RangeError,
    run: (values, run) => {
      bench.log.push(`run ${values.join("")}`);
      runs.push(run);
      return new Promise((resolve) => ends.push(() => resolve(values)));
    },
  });
  return Object.assign(bench, { runs, ends });
}

test("jobs that are run one after the other are divided among the free executors", async () => {
  const bench = openBench(2, 4);
  for (const value of "abc") bench.submit(value);
  await bench.pass(0);
  assert.deepEqual(bench.log, ["run ab", "run c"]);
  for (const value of "defghi") bench.submit(value);
  bench.ends[1]?.();
  await bench.pass(0);
  assert.deepEqual(bench.log.slice(2), ["run defg", "c: c"], "no more than allowed");
  assert.equal(bench.metrics.batchSizes.sum, bench.metrics.batchSizes.count, "they are no batches");
});

test("a result is handed on before its run ends, once", async () => {
  const bench = openBench(1, 4);
  for (const value of "abc") bench.submit(value);
  await bench.pass(0);
  bench.runs[0]?.handOn(1, "early");
  bench.runs[0]?.handOn(2, new RangeError("failed"));
  await bench.pass(0);
  assert.deepEqual(bench.log, ["run abc", "b: early", "c: RangeError"]);
  bench.ends[0]?.();
  await bench.pass(0);
  assert.deepEqual(bench.log.slice(3), ["a: a"]);
  assert.equal(bench.metrics.late, 0);
});

test("a job that is put back runs next, before those that arrived earlier", async () => {
  const bench = openBench(1, 2);
  for (const value of "abcd") bench.submit(value);
  await bench.pass(0);
  bench.runs[0]?.putBack(1);
  bench.ends[0]?.();
  await bench.pass(0);
  bench.ends[1]?.();
  await bench.pass(0);
  assert.deepEqual(bench.log, ["run ab", "run bc", "a: a", "run d", "b: b", "c: c"]);
});

test("a job whose executor failed is retried alone, and the caller of each job can leave by itself", async () => {
  const bench = openBench(1, 4);
  const left: string[] = [];
  for (const value of "ab") bench.submit(value);
  const caller = new AbortController();
  bench.submit("c", { signal: caller.signal });
  await bench.pass(0);
  bench.runs[0]?.onLeave((index, reason) => left.push(`${index} ${String(reason)}`));
  caller.abort("gone");
  bench.runs[0]?.handOn(0, new Failure(new RangeError("died")));
  bench.ends[0]?.();
  await bench.pass(0);
  assert.deepEqual(left, ["2 gone"]);
  assert.deepEqual(bench.log, ["run abc", "c: String", "run a", "b: b"]);
  bench.ends[1]?.();
  await bench.pass(0);
  assert.deepEqual(bench.log.slice(4), ["a: a"]);
});
