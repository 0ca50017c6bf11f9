import { test } from "node:test";
import * as fc from "fast-check";
import { schedules, type Theme } from "../helpers/dispatch-schedules.ts";
import { DispatchWorld } from "../helpers/dispatch-world.ts";

/** Plays so many schedules of a theme; the rules are those of test/helpers/dispatch-rules.ts, all of them each time. */
async function play(count: number, theme: Theme): Promise<void> {
  await fc.assert(
    fc.asyncProperty(schedules(theme), ([setup, steps]) => new DispatchWorld(setup).play(steps)),
    { numRuns: count },
  );
}

test("2,000 schedules: each runs once and in its turn, in batches of what may be together, never beside a free slot", () =>
  play(2000, {}));

test("2,500 schedules with deadlines: nobody starts late, is late untold or succeeds late, or is shed without one", () =>
  play(2500, { deadlines: true }));

test("2,000 schedules of two dispatchers on shared slots: never more runs than slots, and who waited longest is first", () =>
  play(2000, { shared: true }));

test("2,000 schedules with dying workers: one second chance where it is allowed, alone and before all others", () =>
  play(2000, { dying: true }));

test("1,500 schedules with narrow queues: no more wait than may, and nobody is refused while there is room", () =>
  play(1500, { narrow: true }));

test("3,000 schedules of all this at once: all is answered once, all is counted, and no timer is left", () =>
  play(3000, { deadlines: true, shared: true, dying: true, narrow: true }));
