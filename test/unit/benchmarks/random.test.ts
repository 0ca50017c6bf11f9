import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../../../benchmarks/lib/random.ts";
import { poissonSchedule } from "../../../benchmarks/batching/schedule.ts";

const COUNT = 20_000;
const STEADY = { ratePerSecond: 1000, durationMs: 20_000, seed: 3, rampMs: 0 };

function draws(draw: (random: SeededRandom) => number): number[] {
  const random = new SeededRandom(1);
  return Array.from({ length: COUNT }, () => draw(random));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}

function assertNear(figure: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(figure - expected) <= tolerance, `${figure}, not ${expected} ± ${tolerance}`);
}

test("the same seed gives the same numbers every time; another seed gives different ones", () => {
  const first = (seed: number): number => new SeededRandom(seed).uniform();
  assert.equal(first(1), first(1));
  assert.notEqual(first(1), first(2));
});

test("uniform numbers are spread evenly between 0 and 1", () => {
  const values = draws((random) => random.uniform());
  assert.ok(values.every((value) => value >= 0 && value < 1));
  assertNear(mean(values), 0.5, 0.01);
  assertNear(deviation(values), Math.sqrt(1 / 12), 0.01);
});

test("normal numbers have mean 0 and standard deviation 1", () => {
  const values = draws((random) => random.normal());
  assertNear(mean(values), 0, 0.03);
  assertNear(deviation(values), 1, 0.03);
});

test("log-normal factors have mean 1 and the requested deviation, and are never negative", () => {
  const values = draws((random) => random.logNormal(0.15));
  assert.ok(values.every((value) => value > 0));
  assertNear(mean(values), 1, 0.005);
  assertNear(deviation(values), 0.15, 0.005);
});

test("a schedule has the requested rate, is sorted and stays within its duration", () => {
  const times = poissonSchedule(STEADY);
  assertNear(times.length, 20_000, 500);
  assert.ok(times.every((time, index) => time >= (times[index - 1] ?? 0) && time < 20_000));
});

test("the gaps in a schedule vary as those of independent arrivals do", () => {
  const times = poissonSchedule(STEADY);
  const gaps = [...times].map((time, index) => time - (times[index - 1] ?? 0));
  assertNear(deviation(gaps) / mean(gaps), 1, 0.03);
});

test("a seed always gives the same schedule", () => {
  assert.deepEqual(poissonSchedule({ ...STEADY, seed: 1 }), poissonSchedule({ ...STEADY, seed: 1 }));
  assert.notDeepEqual(poissonSchedule({ ...STEADY, seed: 1 }), poissonSchedule({ ...STEADY, seed: 2 }));
});

test("in a ramp the rate rises evenly to the full rate", () => {
  const times = poissonSchedule({ ...STEADY, rampMs: 10_000 });
  const countIn = (fromMs: number, toMs: number): number =>
    times.filter((time) => time >= fromMs && time < toMs).length;
  assertNear(countIn(0, 5000), 1250, 150);
  assertNear(countIn(5000, 10_000), 3750, 250);
  assertNear(countIn(10_000, 20_000), 10_000, 400);
});
