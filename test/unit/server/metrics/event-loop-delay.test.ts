import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock, type Clock } from "../../../../src/dispatch/clock.ts";
import { EventLoopDelay, utilizationSinceLast } from "../../../../src/server/metrics/event-loop-delay.ts";

/** A clock whose timer the test fires. */
class HandClock {
  #now = 0;
  #callback: (() => void) | undefined;

  readonly clock: Clock = {
    ...systemClock,
    now: () => this.#now,
    after: (_ms, callback) => {
      this.#callback = callback;
      return () => (this.#callback = undefined);
    },
  };

  get isWaiting(): boolean {
    return this.#callback !== undefined;
  }

  /** Fires the timer after this time. */
  tick(ms = 1_000): void {
    this.#now += ms;
    this.#callback?.();
  }
}

function valueOf(delay: EventLoopDelay, name: string): number {
  const family = delay.families().find((candidate) => candidate.name === `nodejs_eventloop_lag_${name}`);
  return family?.samples()[0]?.value ?? NaN;
}

test("the timer pauses after a minute without use, and starts again with the first use", (t) => {
  const hand = new HandClock();
  let utilization = 0.04;
  const delay = new EventLoopDelay({ clock: hand.clock, utilization: () => utilization });
  t.after(() => delay.stop());
  for (let second = 1; second < 60; second++) hand.tick();
  assert.equal(delay.isMeasuring, true);
  hand.tick();
  assert.equal(delay.isMeasuring, false);
  utilization = 0.06;
  hand.tick();
  assert.equal(delay.isMeasuring, true);
  utilization = 0;
  for (let second = 1; second < 60; second++) hand.tick();
  assert.equal(delay.isMeasuring, true, "each use keeps it for a minute");
});

test("a paused measurement counts no turns, and a running one does", { timeout: 30_000 }, async (t) => {
  const hand = new HandClock();
  let utilization = 0;
  const delay = new EventLoopDelay({ clock: hand.clock, utilization: () => utilization });
  t.after(() => delay.stop());
  for (let second = 0; second < 60; second++) hand.tick();
  delay.take();
  block(50);
  await sleep(50);
  delay.take();
  assert.equal(valueOf(delay, "max_seconds"), 0);
  utilization = 1;
  hand.tick();
  while (valueOf(delay, "max_seconds") < 0.05) {
    await sleep(20);
    block(100);
    await sleep(20);
    delay.take();
  }
});

test("a block of the event loop is the longest delay of its scrape", { timeout: 30_000 }, async (t) => {
  const delay = new EventLoopDelay({ clock: systemClock, utilization: utilizationSinceLast() });
  t.after(() => delay.stop());
  while (valueOf(delay, "max_seconds") < 0.28) {
    await sleep(50); // the timer has to fire before and after the block
    block(300);
    await sleep(50);
    delay.take();
  }
  assert.ok(valueOf(delay, "min_seconds") < 0.28);
  assert.ok(valueOf(delay, "p50_seconds") <= valueOf(delay, "max_seconds"));
});

test("a block that begins while the timer is paused is known by the late look", (t) => {
  const hand = new HandClock();
  const delay = new EventLoopDelay({ clock: hand.clock, utilization: () => 0 });
  t.after(() => delay.stop());
  for (let second = 0; second < 60; second++) hand.tick();
  delay.take();
  hand.tick(3_500);
  delay.take();
  assert.equal(valueOf(delay, "max_seconds"), 2.5);
});

test("without measurements all values are 0", (t) => {
  const delay = new EventLoopDelay({ clock: new HandClock().clock, utilization: () => 0 });
  t.after(() => delay.stop());
  delay.take();
  assert.deepEqual(
    delay.families().map(({ samples }) => samples()[0]?.value),
    [0, 0, 0, 0, 0, 0, 0],
  );
});

test("stopping ends the looks", () => {
  const hand = new HandClock();
  const delay = new EventLoopDelay({ clock: hand.clock, utilization: () => 0 });
  assert.equal(hand.isWaiting, true);
  delay.stop();
  assert.equal(hand.isWaiting, false);
});

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
