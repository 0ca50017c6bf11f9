import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { VitalSigns, type WatchedWorker } from "../../../src/workers/vital-signs.ts";

/** A worker with fixed vital signs. */
class Watched implements WatchedWorker {
  pid: number | undefined;
  isIdle = true;
  finishBy = Infinity;
  pings = 0;

  ping(): void {
    this.pings++;
  }
}

/** Checks a worker up to `count` times, each in its own turn, and returns the first finding. */
async function checkRepeatedly(
  signs: VitalSigns,
  worker: WatchedWorker,
  count: number,
): Promise<string | undefined> {
  for (let check = 0; check < count; check++) {
    const why = signs.check(worker, 1_000);
    if (why !== undefined) return why;
    await nextTurn();
  }
  return undefined;
}

const lateness: readonly (readonly [finishBy: number, expected: string | undefined])[] = [
  [Infinity, undefined],
  [5_000, undefined],
  [1_000, undefined],
  [-1_999, undefined],
  [-2_000, "its call is 3 s past its deadline"],
  [-9_500, "its call is 10.5 s past its deadline"],
];
for (const [finishBy, expected] of lateness) {
  test(`a call that is due at ${finishBy} is ${expected === undefined ? "waited for" : "stuck"} at 1000 with a grace of 3000`, () => {
    const worker = Object.assign(new Watched(), { isIdle: false, finishBy });
    assert.equal(new VitalSigns(3_000).check(worker, 1_000), expected);
  });
}

test("an idle worker that does not answer a ping within the grace period is stuck", async () => {
  const worker = new Watched();
  const signs = new VitalSigns(3_000);
  assert.equal(await checkRepeatedly(signs, worker, 7), undefined);
  assert.equal(worker.pings, 1);
  assert.equal(await checkRepeatedly(signs, worker, 1), "it has not answered for 3 s");
});

test("an idle worker that answers pings is not stuck, however often it is checked", async () => {
  const signs = new VitalSigns(3_000);
  const worker = new Watched();
  worker.ping = () => void setImmediate(() => signs.answered());
  assert.equal(await checkRepeatedly(signs, worker, 100), undefined);
});

test("a busy worker is not stuck before its deadline", async () => {
  const worker = Object.assign(new Watched(), { isIdle: false });
  assert.equal(await checkRepeatedly(new VitalSigns(3_000), worker, 100), undefined);
});

test("checks within one turn count once, because no answer could arrive between them", async () => {
  const worker = new Watched();
  const signs = new VitalSigns(3_000);
  await checkRepeatedly(signs, worker, 5);
  for (let check = 0; check < 100; check++) assert.equal(signs.check(worker, 1_000), undefined);
});

test(
  "a worker stopped by a signal is stuck, even if it is busy",
  { skip: process.platform !== "linux" },
  async () => {
    const child = spawn("sleep", ["60"]);
    await once(child, "spawn");
    const worker = Object.assign(new Watched(), { isIdle: false, pid: child.pid });
    assert.equal(await checkRepeatedly(new VitalSigns(3_000), worker, 20), undefined);
    child.kill("SIGSTOP");
    const signs = new VitalSigns(3_000);
    // It takes a moment until the signal arrives.
    for (let round = 0; round < 1_000; round++) {
      const why = await checkRepeatedly(signs, worker, 20);
      if (why === undefined) continue;
      assert.equal(why, "the system has stopped it");
      child.kill("SIGKILL");
      return;
    }
    assert.fail("it was never found stopped");
  },
);
