import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { systemClock } from "../../../src/dispatch/clock.ts";

// The clock's own timers do not keep the process alive.
let alive: NodeJS.Timeout;
before(() => (alive = setInterval(() => {}, 1_000)));
after(() => clearInterval(alive));

test("the clock advances in milliseconds and never goes back", () => {
  const start = systemClock.now();
  let last = start;
  for (let check = 0; check < 1_000; check++) {
    const now = systemClock.now();
    assert.ok(now >= last);
    last = now;
  }
});

test("precisely() calls back once, and never early, for waits of all lengths", async () => {
  for (const ms of [0, 0.3, 1, 2.5, 7.25]) {
    const due = systemClock.now() + ms;
    let calls = 0;
    const at = await new Promise<number>((resolve) => {
      systemClock.precisely(ms, () => {
        calls++;
        resolve(systemClock.now());
      });
    });
    assert.ok(at >= due, `${due - at} ms early`);
    await setImmediate();
    assert.equal(calls, 1);
  }
});

test("a stopped timer never calls back, at whatever stage it was stopped", async () => {
  const called: string[] = [];
  const note = (name: string) => (): void => void called.push(name);
  systemClock.soon(note("soon"))();
  systemClock.after(0, note("after"))();
  systemClock.precisely(0, note("precisely"))();
  assert.deepEqual(called, []);
  const stops = [1.9, 4, 30].map((ms) => systemClock.precisely(ms, note(`precisely, of ${ms} ms`)));
  await setImmediate();
  for (const stop of stops) stop();
  // If the machine paused meanwhile, some timers may have been called before they were stopped.
  const before = [...called];
  await new Promise<void>((resolve) => void systemClock.precisely(35, resolve));
  assert.deepEqual(called, before);
});

test("soon() calls back after all pending promises, and before the timers of the next turn", async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    systemClock.soon(() => {
      order.push("soon");
      resolve();
    });
    void Promise.resolve().then(() => order.push("promise"));
    process.nextTick(() => order.push("tick"));
  });
  assert.deepEqual(order.slice(-1), ["soon"]);
  assert.equal(order.length, 3);
});

test("a wait longer than the maximum of Node's timers does not end at once, and can be stopped", async () => {
  let calls = 0;
  const call = (): void => void calls++;
  const lengths = [2 ** 31 - 1, 2 ** 31, 2 ** 32 + 5, 9_999_999_000, 1e15, Infinity];
  const stops = lengths.flatMap((ms) => [systemClock.after(ms, call), systemClock.precisely(ms, call)]);
  await new Promise((resolve) => systemClock.after(30, () => resolve(undefined)));
  assert.equal(calls, 0);
  for (const stop of stops) stop();
});
