import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace } from "../../../src/workers/pace.ts";

function paceAfter(...times: readonly (readonly [count: number, ms: number])[]): Pace {
  const pace = new Pace();
  for (const [count, ms] of times) for (let call = 0; call < count; call++) pace.add(ms);
  return pace;
}

test("a worker gets one call at once until many of them were short, and at most eight", () => {
  assert.equal(new Pace().together, 1);
  assert.equal(paceAfter([10, 0.01]).together, 1);
  assert.equal(paceAfter([1000, 0.01]).together, 8);
});

test("calls at once take about a millisecond together", () => {
  assert.equal(paceAfter([1000, 0.3]).together, 3);
  assert.equal(paceAfter([1000, 5]).together, 1);
});

test("a long call ends this for the next hundred short ones", () => {
  assert.equal(paceAfter([1000, 0.01], [1, 100]).together, 1);
  assert.equal(paceAfter([1000, 0.01], [1, 100], [30, 0.01]).together, 1);
  assert.ok(paceAfter([1000, 0.01], [1, 100], [200, 0.01]).together > 1);
});

test("one call in fifty that takes long is enough for one call at once", () => {
  const pace = new Pace();
  for (let call = 0; call < 1000; call++) pace.add(call % 50 === 0 ? 100 : 0.01);
  assert.equal(pace.together, 1);
});
