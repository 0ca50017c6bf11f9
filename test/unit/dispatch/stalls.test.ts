import assert from "node:assert/strict";
import { test } from "node:test";
import { StallWatch } from "../../../src/dispatch/stall-watch.ts";
import { fullServiceRate, SHAPES, Simulation } from "../../helpers/simulation.ts";
import { StallingClock } from "../../helpers/stalling-clock.ts";

type Name = keyof typeof SHAPES;
const NAMES = Object.keys(SHAPES) as Name[];

/** Requests that were refused after a stall of the process, or after several. */
async function refusedAfter(
  name: Name,
  {
    share,
    warmUpMs,
    stallsMs,
    isStoppedByStalls,
    seed,
  }: {
    share: number;
    warmUpMs: number;
    stallsMs: readonly number[];
    isStoppedByStalls: boolean;
    seed: number;
  },
): Promise<number> {
  const simulation = new Simulation(SHAPES[name], { lagMs: 0.5, noise: 0.03, seed, isStoppedByStalls });
  const rate = fullServiceRate(SHAPES[name]) * share;
  await simulation.openLoop(rate, warmUpMs);
  const from = simulation.clock.now();
  for (const ms of stallsMs) {
    simulation.stall(ms);
    await simulation.openLoop(rate, ms + 60);
  }
  await simulation.openLoop(rate, 1_500);
  await simulation.runUntil(simulation.clock.now() + 1_000);
  return simulation.outcomes.filter(({ sentAt, kind }) => sentAt >= from && kind === "refused").length;
}

test("below half of the capacity nothing is refused, also right after a stall of the process", async () => {
  for (const name of NAMES) {
    for (const share of [0.05, 0.45]) {
      for (const warmUpMs of [100, 1_500]) {
        for (const ms of [20, 60, 150]) {
          for (let seed = 1; seed <= 2; seed++) {
            const stall = { share, warmUpMs, stallsMs: [ms], isStoppedByStalls: false, seed };
            assert.equal(await refusedAfter(name, stall), 0, `${name}: ${JSON.stringify(stall)}`);
          }
        }
      }
    }
  }
});

test("stalls that also stop the executor, shorter than half of the time limit, cause no refusals at a quarter of the capacity", async () => {
  for (const name of NAMES) {
    for (let seed = 1; seed <= 8; seed++) {
      const ms = 0.4 * SHAPES[name].limitMs;
      const stall = { share: 0.2, warmUpMs: 1_500, stallsMs: [ms], isStoppedByStalls: true, seed };
      assert.equal(await refusedAfter(name, stall), 0, `${name}: ${JSON.stringify(stall)}`);
    }
  }
});

test("a run during which the process stood still is not trusted; the others are", () => {
  for (const expectedMs of [0, 8, 30, 200]) {
    for (const stallMs of [0, 2, 50, 400]) {
      const clock = new StallingClock();
      const stalls = new StallWatch(clock);
      const isTrusted = stalls.watch(expectedMs);
      clock.advance(0.2 * expectedMs);
      if (stallMs > 0) clock.stall(stallMs);
      clock.advance(Math.max(0.8 * expectedMs, stallMs));
      const isLong = stallMs > Math.max(5, 0.15 * expectedMs) + 5;
      assert.equal(isTrusted(), !isLong, `${stallMs} ms of ${expectedMs}`);
      assert.equal(clock.pending, 0, "no timer remains");
    }
  }
});

test("if run after run blocks the process, its own work does so: from the fourth on they are trusted", () => {
  const clock = new StallingClock();
  const stalls = new StallWatch(clock);
  const run = (isBlocked: boolean): boolean => {
    const isTrusted = stalls.watch(30);
    if (isBlocked) clock.stall(30);
    clock.advance(30);
    return isTrusted();
  };
  const blocked = [true, true, true, true, true];
  assert.deepEqual(blocked.map(run), [false, false, false, true, true]);
  assert.equal(run(false), true);
  assert.deepEqual(blocked.map(run), [false, false, false, true, true]);
});
