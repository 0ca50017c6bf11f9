import { test } from "node:test";
import * as fc from "fast-check";
import { schedules, type Theme } from "../helpers/dispatch-schedules.ts";
import { DispatchWorld } from "../helpers/dispatch-world.ts";

/** Plays `count` schedules of a theme; each is checked against all the rules of test/helpers/dispatch-rules.ts. */
async function play(count: number, theme: Theme): Promise<void> {
  await fc.assert(
    fc.asyncProperty(schedules(theme), ([setup, steps]) => new DispatchWorld(setup).play(steps)),
    { numRuns: count },
  );
}

test("2,000 schedules: each job runs once and in turn, in batches of compatible jobs, and never waits beside a free slot", () =>
  play(2000, {}));

test("2,500 schedules with deadlines: no job starts or succeeds late, late jobs are answered, and jobs without one are not shed", () =>
  play(2500, { deadlines: true }));

test("2,000 schedules of two dispatchers on shared slots: never more runs than slots, and the job that has waited longest runs first", () =>
  play(2000, { shared: true }));

test("2,000 schedules with dying workers: one retry where it is allowed, alone and before all other jobs", () =>
  play(2000, { dying: true }));

test("1,500 schedules with small queues: the queue limit holds, and no job is refused while there is room", () =>
  play(1500, { narrow: true }));

test("3,000 schedules of all themes at once: every job is answered once and counted, and no timer is left", () =>
  play(3000, { deadlines: true, shared: true, dying: true, narrow: true }));
