import assert from "node:assert/strict";
import { test } from "node:test";
import { DispatchMetrics, Histogram } from "../../../src/dispatch/metrics.ts";

test("a histogram counts each value once: in the bucket of its upper bound, or in the last bucket above all bounds", () => {
  const histogram = new Histogram([1, 10, 100]);
  for (const value of [0, 1, 1.5, 10, 99, 101, 5_000]) histogram.add(value);
  assert.deepEqual(histogram.buckets, [2, 2, 1, 2]);
  assert.equal(histogram.count, 7);
  assert.equal(histogram.sum, 5_212.5);
});

test("batches are counted by size and reason, rejections by their code", () => {
  const metrics = new DispatchMetrics();
  metrics.started(3, "size");
  metrics.started(1, "drained");
  metrics.started(2, "size");
  metrics.shed({ code: "QUEUE_FULL" });
  metrics.shed({ code: "OVERLOADED" });
  metrics.shed({ code: "QUEUE_FULL" });
  assert.deepEqual(Object.fromEntries(metrics.reasons), { size: 2, drained: 1 });
  assert.deepEqual(Object.fromEntries(metrics.refusals), { QUEUE_FULL: 2, OVERLOADED: 1 });
  assert.equal(metrics.batchSizes.sum, 6);
});

test("wait times and run times are recorded separately, in milliseconds", () => {
  const metrics = new DispatchMetrics();
  metrics.waited(7);
  metrics.ended(70);
  assert.deepEqual([metrics.waits.sum, metrics.runs.sum], [7, 70]);
});

test("depth and age are measured when they are read; they are 0 before a queue is observed", () => {
  const metrics = new DispatchMetrics();
  assert.deepEqual([metrics.depth, metrics.oldestAgeMs], [0, 0]);
  let depth = 3;
  metrics.watch({ depth: () => depth, oldestAgeMs: () => 20 });
  assert.deepEqual([metrics.depth, metrics.oldestAgeMs], [3, 20]);
  depth = 1;
  assert.equal(metrics.depth, 1);
});
