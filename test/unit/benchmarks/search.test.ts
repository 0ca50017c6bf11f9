import assert from "node:assert/strict";
import { test } from "node:test";
import { firstThatHolds, highestRate } from "../../../benchmarks/batching/search.ts";

function below(limit: number): { holds: (rate: number) => Promise<boolean>; asked: number[] } {
  const asked: number[] = [];
  return { asked, holds: async (rate) => asked.push(rate) > 0 && rate <= limit };
}

test("bisection finds the highest rate that passes, and never returns a rate that was not tested", async () => {
  const { holds, asked } = below(530);
  const rate = await highestRate({ from: 400, to: 600, steps: 4, holds });
  assert.equal(rate, 525);
  assert.deepEqual(asked, [500, 550, 525, 537.5]);
});

test("the lowest rate is tested only when no higher rate passes", async () => {
  const { holds, asked } = below(400);
  assert.equal(await highestRate({ from: 400, to: 600, steps: 2, holds }), 400);
  assert.deepEqual(asked, [500, 450, 400]);
});

test("if no rate passes, the highest rate is 0", async () => {
  const { holds } = below(10);
  assert.equal(await highestRate({ from: 400, to: 600, steps: 2, holds }), 0);
  assert.equal(await firstThatHolds([30, 20], holds), 0);
});

test("the first rate of a list that passes is used, and later ones are not tested", async () => {
  const { holds, asked } = below(20);
  assert.equal(await firstThatHolds([30, 20, 10], holds), 20);
  assert.deepEqual(asked, [30, 20]);
});
