import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ceiling,
  closedLoopRate,
  greedyClosedLoopRate,
  idealGoodput,
  servableRate,
  sharedQueueRate,
  sheddingGoodput,
} from "../../../benchmarks/batching/bounds.ts";
import { S1, S2, S3, S4, SHAPES } from "../../../benchmarks/batching/shape.ts";

test("the throughput of full batches is B/(a + bB)", () => {
  assert.deepEqual(
    SHAPES.map((shape) => Math.round(ceiling(shape))),
    [762, 3596, 152, 1231],
  );
});

test("λ* is limited by the deadline on S1 and by full batches on the other shapes", () => {
  assert.deepEqual(
    SHAPES.map((shape) => Math.round(servableRate(shape))),
    [600, 3596, 152, 1231],
  );
  assert.ok(servableRate(S1) < ceiling(S1));
  for (const shape of [S2, S3, S4]) assert.equal(servableRate(shape), ceiling(shape));
});

test("with perfect shedding, goodput equals λ* at λ* and grows with the load up to the rate of full batches", () => {
  assert.equal(Math.round(sheddingGoodput(S1, 600)), 600);
  assert.equal(Math.round(sheddingGoodput(S1, 900)), 655);
  assert.equal(Math.round(sheddingGoodput(S1, 1800)), 720);
  assert.equal(Math.round(sheddingGoodput(S1, 1e9)), Math.round(ceiling(S1)));
});

test("a perfect batcher answers everything below λ*, and above it no more than perfect shedding does", () => {
  assert.equal(idealGoodput(S1, 0), 0);
  assert.equal(idealGoodput(S1, 300), 300);
  assert.equal(idealGoodput(S1, 1800), sheddingGoodput(S1, 1800));
});

test("in a closed loop all clients share one batch; greedy batches pay the base cost twice", () => {
  assert.equal(closedLoopRate(S1, 8), 8000 / 28);
  assert.equal(greedyClosedLoopRate(S1, 8), 8000 / 48);
  assert.equal(closedLoopRate(S1, 256), ceiling(S1));
});

test("four executors with one shared queue serve a quarter more than four with separate queues", () => {
  assert.equal(sharedQueueRate(S1, 1), servableRate(S1));
  assert.equal(Math.round(sharedQueueRate(S1, 4)), 3000);
  assert.equal(Math.round(sharedQueueRate(S1, 4) / servableRate(S1) / 0.04) / 100, 1.25);
});

test("goodput is 0 when two batches without items take longer than the deadline", () => {
  assert.equal(servableRate({ ...S1, baseMs: 60 }), 0);
});
