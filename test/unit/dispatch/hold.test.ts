import assert from "node:assert/strict";
import { test } from "node:test";
import { HoldPolicy } from "../../../src/dispatch/hold.ts";
import { randomFrom } from "../../helpers/simulation.ts";

const RUN_MS = 30;
const FIXED_MS = 20;

/**
 * `rounds` runs, each for a few callers that return after the given delays in ms. Returns the end of the last
 * run.
 */
function closedLoop(hold: HoldPolicy, rounds: number, back: readonly number[]): number {
  let now = 0;
  for (let round = 0; round < rounds; round++) {
    now += RUN_MS;
    hold.completed(now, back.length, FIXED_MS);
    for (const delay of back) hold.arrived(now + delay);
  }
  return now;
}

test("without measurements the policy does not hold", () => {
  const hold = new HoldPolicy();
  assert.ok(hold.holdUntil(0) <= 0);
  hold.arrived(5);
  hold.completed(30, 1, FIXED_MS);
  assert.ok(hold.holdUntil(30) <= 30);
});

test("batches wait for callers that always return immediately", () => {
  const hold = new HoldPolicy();
  const end = closedLoop(hold, 30, [0.5, 0.6, 0.7, 0.8]) + RUN_MS;
  hold.completed(end, 4, FIXED_MS);
  assert.ok(hold.holdUntil(end) > end, "for the first");
  hold.arrived(end + 0.5);
  assert.ok(hold.holdUntil(end + 0.5) > end + 0.5, "for the others");
  for (const delay of [0.6, 0.7, 0.8]) hold.arrived(end + delay);
  assert.ok(hold.holdUntil(end + 0.8) <= end + 0.8, "for nobody, once all are back");
});

test("if a caller does not return, the batch waits only a moment longer", () => {
  const hold = new HoldPolicy();
  const end = closedLoop(hold, 30, [0.5, 0.6, 0.7, 0.8]) + RUN_MS;
  hold.completed(end, 4, FIXED_MS);
  for (const delay of [0.5, 0.6, 0.7]) hold.arrived(end + delay);
  const until = hold.holdUntil(end + 0.7);
  assert.ok(until > end + 0.7 && until < end + 3, String(until - end));
});

test("when no caller returns any more, batches stop waiting", () => {
  const hold = new HoldPolicy();
  let now = closedLoop(hold, 30, [0.5, 0.6, 0.7, 0.8]);
  let held = 0;
  for (let round = 0; round < 40; round++) {
    now += 200;
    hold.completed(now, 4, FIXED_MS);
    if (hold.holdUntil(now) > now) held++;
  }
  assert.ok(held < 20, `${held} of 40`);
  assert.ok(hold.holdUntil(now) <= now);
});

test("batches do not wait for open traffic, at any rate", () => {
  for (const rate of [0.01, 0.1, 0.5, 2]) {
    const hold = new HoldPolicy();
    const random = randomFrom(5);
    let held = 0;
    let next = 0;
    for (let end = RUN_MS; end < 400 * RUN_MS; end += RUN_MS) {
      hold.completed(end, Math.max(1, Math.round(rate * RUN_MS)), FIXED_MS);
      if (end > 100 * RUN_MS && hold.holdUntil(end) > end) held++;
      while (next < end + RUN_MS) {
        if (next >= end) hold.arrived(next);
        next += -Math.log(1 - random()) / rate;
      }
    }
    assert.ok(held < 300 * 0.1, `held ${held} of 300 at ${rate}`);
  }
});

test("a hold lasts at most half of the fixed cost of a run", () => {
  const hold = new HoldPolicy();
  // The callers return late: 9 ms after the answer.
  const end = closedLoop(hold, 60, [9, 9.1, 9.2]) + RUN_MS;
  hold.completed(end, 3, FIXED_MS);
  assert.ok(hold.holdUntil(end) > end);
  assert.ok(hold.holdUntil(end) <= end + FIXED_MS / 2);
});

test("batches are not held if runs have no fixed cost", () => {
  const hold = new HoldPolicy();
  let now = 0;
  for (let round = 0; round < 50; round++) {
    now += RUN_MS;
    hold.completed(now, 2, 0);
    hold.arrived(now + 0.1);
    assert.ok(hold.holdUntil(now) <= now);
  }
});
