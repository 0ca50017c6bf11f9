import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "servable/testing";
import {
  defaultMaxBytesInFlight,
  MemoryBudget,
  type ArrivingBody,
} from "../../../../src/server/bodies/memory-budget.ts";

const MIB = 1024 * 1024;

test("an eighth of the heap limit may be in flight, but never more than 256 MiB", () => {
  assert.equal(defaultMaxBytesInFlight(256 * MIB), 32 * MIB);
  assert.equal(defaultMaxBytesInFlight(1024 * MIB), 128 * MIB);
  assert.equal(defaultMaxBytesInFlight(4096 * MIB), 256 * MIB);
  assert.ok(defaultMaxBytesInFlight() > 0);
});

test("memory for a body is reserved from its headers on, and released once when it has ended", () => {
  const budget = new MemoryBudget(100, new FakeClock());
  const body = budget.expect(60, assert.fail);
  assert.equal(budget.held, 60);
  assert.equal(budget.expect(41, assert.fail), undefined);
  assert.ok(budget.take(40));
  assert.ok(!budget.take(1));
  body?.end();
  body?.end();
  assert.equal(budget.held, 40);
});

test("a body of unknown length reserves memory as it arrives", () => {
  const budget = new MemoryBudget(100, new FakeClock());
  const body = budget.expect(10, assert.fail) as ArrivingBody;
  assert.ok(body.came(10, 10, 0));
  assert.ok(body.came(90, 100, 0));
  assert.equal(budget.held, 100);
  assert.ok(!body.came(1, 101, 0));
  body.end();
  assert.equal(budget.held, 0);
});

test("a body that does not arrive loses its memory, but only when another one needs it", () => {
  const clock = new FakeClock();
  const budget = new MemoryBudget(100_000, clock);
  const rejected: string[] = [];
  budget.expect(50_000, () => rejected.push("silent"));
  const steady = budget.expect(50_000, () => rejected.push("steady")) as ArrivingBody;
  clock.advance(1_999);
  assert.ok(!budget.take(1), "two seconds are not over");
  assert.ok(steady.came(20_000, 50_000, clock.now()));
  clock.advance(1_000);
  assert.deepEqual(rejected, []);
  assert.ok(budget.take(1));
  assert.deepEqual(rejected, ["silent"]);
  assert.equal(budget.held, 50_001);
});

test("a body that arrives too slowly loses its memory", () => {
  const clock = new FakeClock();
  const budget = new MemoryBudget(100, clock);
  let isGivenUp = false;
  const body = budget.expect(100, () => (isGivenUp = true)) as ArrivingBody;
  for (let second = 0; second < 5; second++) {
    clock.advance(1_000);
    body.came(10, 100, clock.now());
  }
  assert.ok(budget.take(100));
  assert.ok(isGivenUp);
});

test("a body larger than the whole budget is rejected without dropping other bodies", () => {
  const clock = new FakeClock();
  const budget = new MemoryBudget(100, clock);
  budget.expect(50, assert.fail);
  clock.advance(10_000);
  assert.ok(!budget.hasRoom(101));
  assert.equal(budget.held, 50);
});
