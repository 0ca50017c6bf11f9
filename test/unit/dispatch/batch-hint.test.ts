import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchHint } from "../../../src/dispatch/batch-hint.ts";
import type { BatchReason } from "../../../src/dispatch/batch-plan.ts";

/** Batches of a size, one after the other; items come so many milliseconds after the last answer. */
class Batches {
  readonly told: string[] = [];
  readonly #hint = new BatchHint((advice) => this.told.push(advice));
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

test("one caller who sends in sequence is told after 64 batches, once", () => {
  const batches = new Batches();
  batches.run(64, "drained");
  assert.deepEqual(batches.told, []);
  batches.run(1_000, "drained");
  assert.equal(batches.told.length, 1);
  assert.match(
    batches.told[0] ?? "",
    /^the last 64 batches held one item each: one caller sends in sequence/,
  );
});

test("groups of one, and items that cost a whole batch, are told for what they are", () => {
  for (const [reason, advice] of [
    ["group", /coarser groupBy/],
    ["cost", /higher maxCost/],
  ] as const) {
    const batches = new Batches();
    // They wait, so they came before the last answer.
    batches.run(200, reason, { gapMs: -5 });
    assert.equal(batches.told.length, 1);
    assert.match(batches.told[0] ?? "", advice);
  }
});

test("each cause is told for itself", () => {
  const batches = new Batches();
  for (let round = 0; round < 3; round++) {
    batches.run(70, "group", { gapMs: -5 });
    batches.run(70, "cost", { gapMs: -5 });
    batches.run(70, "drained");
  }
  assert.equal(new Set(batches.told).size, 3);
  assert.equal(batches.told.length, 3);
});

test("nothing is told at low load, where items are simply rare", () => {
  const batches = new Batches();
  batches.run(1_000, "drained", { gapMs: 100 });
  assert.deepEqual(batches.told, []);
});

test("nothing is told of batches of one that have another reason", () => {
  const batches = new Batches();
  for (const reason of ["deadline", "retry", "drained", "size"] as const)
    batches.run(200, reason, { gapMs: -5 });
  assert.deepEqual(batches.told, []);
});

test("one larger batch in between, and it counts from the start", () => {
  const batches = new Batches();
  for (let round = 0; round < 20; round++) {
    batches.run(60, "drained");
    batches.run(1, "drained", { size: 2 });
  }
  assert.deepEqual(batches.told, []);
});
