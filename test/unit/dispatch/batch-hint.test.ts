import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchHint } from "../../../src/dispatch/batch-hint.ts";
import type { BatchReason } from "../../../src/dispatch/batch-plan.ts";

/** Runs consecutive batches of one size. The first item of each arrives `gapMs` ms after the last answer. */
class Batches {
  readonly hints: string[] = [];
  readonly #hint = new BatchHint((advice) => this.hints.push(advice));
  #now = 0;

  run(count: number, reason: BatchReason, { size = 1, gapMs = 0.5, runMs = 20 } = {}): void {
    for (let batch = 0; batch < count; batch++) {
      const arrivedAt = this.#now + gapMs;
      this.#hint.started(size, reason, arrivedAt);
      this.#now = arrivedAt + runMs;
      this.#hint.ended(this.#now, runMs);
    }
  }
}

test("a caller that sends sequentially gets one hint, after 64 batches", () => {
  const batches = new Batches();
  batches.run(64, "drained");
  assert.deepEqual(batches.hints, []);
  batches.run(1_000, "drained");
  assert.equal(batches.hints.length, 1);
  assert.match(
    batches.hints[0] ?? "",
    /^the last 64 batches held one item each: one caller sends in sequence/,
  );
});

test("groups of one item, and items that use the whole cost budget, each get a hint with their cause", () => {
  for (const [reason, advice] of [
    ["group", /coarser groupBy/],
    ["cost", /higher maxCost/],
  ] as const) {
    const batches = new Batches();
    // These items wait, so they arrived before the last answer.
    batches.run(200, reason, { gapMs: -5 });
    assert.equal(batches.hints.length, 1);
    assert.match(batches.hints[0] ?? "", advice);
  }
});

test("each cause gets its own hint, once", () => {
  const batches = new Batches();
  for (let round = 0; round < 3; round++) {
    batches.run(70, "group", { gapMs: -5 });
    batches.run(70, "cost", { gapMs: -5 });
    batches.run(70, "drained");
  }
  assert.equal(new Set(batches.hints).size, 3);
  assert.equal(batches.hints.length, 3);
});

test("there is no hint at low load, where items are simply rare", () => {
  const batches = new Batches();
  batches.run(1_000, "drained", { gapMs: 100 });
  assert.deepEqual(batches.hints, []);
});

test("there is no hint when batches of one item have another cause", () => {
  const batches = new Batches();
  for (const reason of ["deadline", "retry", "drained", "size"] as const)
    batches.run(200, reason, { gapMs: -5 });
  assert.deepEqual(batches.hints, []);
});

test("one larger batch resets the count", () => {
  const batches = new Batches();
  for (let round = 0; round < 20; round++) {
    batches.run(60, "drained");
    batches.run(1, "drained", { size: 2 });
  }
  assert.deepEqual(batches.hints, []);
});
