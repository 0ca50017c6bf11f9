import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "servable/testing";
import { AbortableWaits } from "../../../../src/server/streams/abortable-waits.ts";
import { ItemPump } from "../../../../src/server/streams/item-pump.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A pump of items that a test gives, with a limit of 100 ms. */
class Pumped {
  readonly clock = new FakeClock();
  readonly taken: unknown[] = [];
  readonly expired: number[] = [];
  isReady = true;
  give!: (value: unknown) => void;
  accept!: () => void;
  readonly pump = new ItemPump({
    next: () => new Promise((resolve) => (this.give = (value) => resolve({ done: false, value }))),
    take: ({ value }) => {
      this.taken.push(value);
      return this.isReady;
    },
    whenReady: () => new Promise((resolve) => (this.accept = resolve)),
    timeoutMs: 100,
    clock: this.clock,
    expire: () => this.expired.push(this.clock.now()),
  });

  /** Lets time pass, and gives an item then. */
  async giveAfter(ms: number, value: unknown): Promise<void> {
    this.clock.advance(ms);
    this.give(value);
    await turn();
  }
}

test("each item has the whole time limit, and one timer is enough for all", async () => {
  const pumped = new Pumped();
  const { clock, pump, expired } = pumped;
  void pump.run();
  for (const ms of [60, 60, 99, 1, 99]) {
    await pumped.giveAfter(ms, ms);
    assert.equal(clock.pending, 1);
  }
  clock.advance(99);
  assert.deepEqual(expired, []);
  clock.advance(1);
  assert.deepEqual(expired, [60 + 60 + 99 + 1 + 99 + 100]);
  assert.deepEqual(pumped.taken, [60, 60, 99, 1, 99]);
});

test("the time in which a slow client reads is not counted", async () => {
  const pumped = new Pumped();
  const { clock, pump, expired } = pumped;
  void pump.run();
  pumped.isReady = false;
  await pumped.giveAfter(50, "first");
  clock.advance(1000);
  pumped.accept();
  await turn();
  clock.advance(99);
  assert.deepEqual(expired, []);
  clock.advance(1);
  assert.deepEqual(expired, [1150]);
});

test("a stopped pump takes no item that comes later, and leaves no timer", async () => {
  const pumped = new Pumped();
  const ended = pumped.pump.run();
  await pumped.giveAfter(0, "first");
  pumped.pump.stop();
  assert.equal(pumped.clock.pending, 0);
  await pumped.giveAfter(0, "late");
  await ended;
  assert.deepEqual(pumped.taken, ["first"]);
});

test("an error of an item that can't be passed on ends the pump", async () => {
  const clock = new FakeClock();
  const pump = new ItemPump({
    next: async () => ({ done: false, value: 1 }),
    take() {
      throw new Error("unsendable");
    },
    whenReady: async () => {},
    timeoutMs: 100,
    clock,
    expire: () => {},
  });
  await assert.rejects(pump.run(), /unsendable/);
  assert.equal(clock.pending, 0);
});

test("an abort ends the wait of a call with its first reason, and no other work begins", async () => {
  const waits = new AbortableWaits();
  assert.equal(
    waits.until(() => 1),
    1,
  );
  const waiting = waits.until(() => new Promise(() => {}));
  waits.abort(new Error("first"));
  waits.abort(new Error("second"));
  await assert.rejects(async () => waiting, /first/);
  assert.throws(() => waits.until(() => assert.fail("must not begin")), /first/);
});
