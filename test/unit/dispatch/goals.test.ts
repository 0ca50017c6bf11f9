import assert from "node:assert/strict";
import { test } from "node:test";
import {
  fullServiceRate,
  idealGoodput,
  randomFrom,
  SHAPES,
  Simulation,
  type Shape,
} from "../../helpers/simulation.ts";
import { isGood, openLoad } from "../../helpers/simulated-load.ts";

// Performance goals of batching, checked with simulated executors of known speed, so that the machine has no
// influence.

type Name = keyof typeof SHAPES;
const NAMES = Object.keys(SHAPES) as Name[];
/** The time in ms in which a few thousand jobs arrive at a rate. */
const durationOf = (rate: number): number => Math.min(30_000, 12_000 / rate);
const atLeast = (got: number, wanted: number, what: string): void =>
  assert.ok(got >= wanted, `${what}: ${got.toFixed(4)} where ${wanted} is wanted`);
const atMost = (got: number, wanted: number, what: string): void =>
  assert.ok(got <= wanted, `${what}: ${got.toFixed(4)} where no more than ${wanted} is wanted`);

test("at 85 % (S1) and 90 % of the highest rate that can be served in time, 99 % of calls are in time", async () => {
  for (const name of NAMES) {
    const rate = fullServiceRate(SHAPES[name]) * (name === "S1" ? 0.85 : 0.9);
    const { share } = await openLoad(SHAPES[name], rate, durationOf(rate));
    atLeast(share, 0.99, name);
  }
});

test("overload of 1.5 and 3 times: goodput is 95 % of ideal shedding, accepted calls are in time, others are rejected immediately", async () => {
  for (const name of NAMES) {
    for (const factor of [1.5, 3]) {
      const shape = SHAPES[name];
      const rate = fullServiceRate(shape) * factor;
      const figures = await openLoad(shape, rate, durationOf(rate));
      atLeast(figures.goodput / idealGoodput(shape, rate), 0.95, `${name} at ${factor}`);
      atMost(figures.late, 0.01, `${name} at ${factor}, late`);
      atMost(figures.lateRefusals, 0.01, `${name} at ${factor}, refused late`);
    }
  }
});

test("15 % noise: goodput is 85 % of ideal shedding at three times the rate", async () => {
  for (const name of NAMES) {
    const rate = fullServiceRate(SHAPES[name]) * 3;
    const { goodput } = await openLoad(SHAPES[name], rate, durationOf(rate), { noise: 0.15 });
    atLeast(goodput / idealGoodput(SHAPES[name], rate), 0.85, name);
  }
});

test("low load: the median response time is at most 25.7 ms, as if there were no batching", async () => {
  const rate = fullServiceRate(SHAPES.S1) * 0.05;
  atMost((await openLoad(SHAPES.S1, rate, 60_000)).medianMs, 25.7, "S1");
});

test("four executors on one queue serve 2,550 calls per second in time", async () => {
  atLeast((await openLoad(SHAPES.S1, 2.55, 15_000, { executors: 4 })).share, 0.99, "S1");
});

/**
 * Throughput of clients that send again immediately, relative to the throughput with all of them in each
 * batch.
 */
async function closedLoad(shape: Shape, clients: number, durationMs: number): Promise<number> {
  const random = randomFrom(7);
  const simulation = new Simulation({ ...shape, limitMs: 1e6 });
  const answered = await simulation.closedLoop(clients, durationMs, () => 0.3 + 0.6 * random());
  const size = Math.min(clients, shape.maxSize);
  return answered / durationMs / (size / (shape.fixed + shape.perItem * size));
}

test("closed loop: 8, 16 and 48 clients reach 92 % of the throughput with all of them in each batch", async () => {
  for (const clients of [8, 16, 48]) {
    atLeast(await closedLoad(SHAPES.S1, clients, 10_000), 0.92, `${clients} clients`);
  }
});

test("saturation: four clients for each slot in a batch reach 97 % of the maximum throughput", async () => {
  for (const name of NAMES) {
    const shape = SHAPES[name];
    const durationMs = 100 * (shape.fixed + shape.perItem * shape.maxSize);
    atLeast(await closedLoad(shape, 4 * shape.maxSize, durationMs), 0.97, name);
  }
});

/** The best half second of goodput soon after a change of costs, relative to the goodput later on. */
async function recovery(
  shape: Shape,
  simulation: Simulation,
  rate: number,
  slowness: number,
): Promise<number> {
  const from = simulation.clock.now();
  simulation.slowness = slowness;
  const windowMs = Math.max(500, 2 * shape.limitMs);
  const withinMs = Math.max(2_000, 50 * slowness * (shape.fixed + shape.perItem));
  await simulation.openLoop(rate, withinMs + 1_000 + 6 * windowMs);
  const good = simulation.outcomes.filter((outcome) => isGood(outcome, shape));
  const ends = good.map(({ sentAt, ms }) => sentAt + ms - from);
  const goodput = (start: number, end: number): number =>
    ends.filter((at) => at >= start && at < end).length / (end - start);
  let best = 0;
  for (let end = windowMs; end <= withinMs; end += 50) best = Math.max(best, goodput(end - windowMs, end));
  return best / goodput(withinMs + 1_000, withinMs + 1_000 + 6 * windowMs);
}

test("after costs triple, and after they fall back, goodput reaches 90 % of its later level within 50 batches or two seconds", async () => {
  for (const name of NAMES) {
    const simulation = new Simulation(SHAPES[name]);
    const rate = fullServiceRate(SHAPES[name]) * 1.5;
    await simulation.openLoop(rate, 1_000 + 10 * SHAPES[name].limitMs);
    for (const slowness of [3, 1]) {
      const share = await recovery(SHAPES[name], simulation, rate, slowness);
      atLeast(share, 0.9, `${name}, costs times ${slowness}`);
    }
  }
});

test("with 15 % noise, falling costs are also detected in time, for every seed", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    for (const name of ["S1", "S3"] as const) {
      const simulation = new Simulation(SHAPES[name], { noise: 0.15, seed });
      const rate = fullServiceRate(SHAPES[name]) * 0.8;
      await simulation.openLoop(rate, 2_000);
      simulation.slowness = 3;
      await simulation.openLoop(rate, 4_000);
      const share = await recovery(SHAPES[name], simulation, rate, 1);
      atLeast(share, 0.9, `${name}, seed ${seed}`);
    }
  }
});
