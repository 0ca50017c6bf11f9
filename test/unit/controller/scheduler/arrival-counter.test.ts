import assert from "node:assert/strict";
import { test } from "node:test";
import { ArrivalCounter } from "../../../../src/controller/scheduler/arrival-counter.ts";

const MINUTE = Date.UTC(2026, 0, 31, 12, 0);

test("arrivals are counted by their second, taken once, and given back if they could not be recorded", () => {
  const counter = new ArrivalCounter();
  for (const at of [MINUTE, MINUTE + 999, MINUTE + 1_000, MINUTE + 59_999, MINUTE + 60_000]) counter.note(at);
  const [first, second] = counter.take();
  assert.deepEqual(first?.minute, new Date(MINUTE));
  assert.deepEqual(
    [first?.counts[0], first?.counts[1], first?.counts[59], first?.counts.length],
    [2, 1, 1, 60],
  );
  assert.deepEqual([second?.minute, second?.counts[0]], [new Date(MINUTE + 60_000), 1]);
  assert.deepEqual(counter.take(), []);
  counter.note(MINUTE);
  if (first !== undefined) counter.giveBack(first);
  assert.deepEqual(counter.take()[0]?.counts.slice(0, 2), [3, 1]);
});
