import assert from "node:assert/strict";
import { test } from "node:test";
import { announceFree, Slots, type SlotUser } from "../../../src/dispatch/slots.ts";

/** Takes one slot from each of its `Slots` while jobs wait. */
class User implements SlotUser {
  readonly waiting: number[];
  readonly #slots: readonly Slots[];
  readonly #log: string[];
  readonly #name: string;

  constructor(name: string, slots: readonly Slots[], waiting: number[], log: string[]) {
    this.#name = name;
    this.#slots = slots;
    this.waiting = waiting;
    this.#log = log;
    for (const each of slots) each.join(this);
  }

  get oldestArrival(): number | undefined {
    return this.waiting[0];
  }

  wake(): void {
    while (this.waiting.length > 0 && this.#slots.every((each) => each.free > 0)) {
      const lease = { expectedEnd: 100 };
      for (const each of this.#slots) each.take(lease);
      this.#log.push(`${this.#name}${this.waiting.shift()}`);
    }
  }
}

const addUser = (...user: ConstructorParameters<typeof User>): User => new User(...user);
const lease = (expectedEnd: number): { expectedEnd: number } => ({ expectedEnd });

test("a free slot goes to the user whose job has waited longest, not to the one that registered first", () => {
  const slots = new Slots(1);
  const log: string[] = [];
  const held = lease(5);
  slots.take(held);
  addUser("a", [slots], [7], log);
  addUser("b", [slots], [3, 4], log);
  addUser("idle", [slots], [], log);
  slots.giveBack(held);
  assert.deepEqual(log, [], "nobody hears of it yet");
  announceFree([slots]);
  assert.deepEqual(log, ["b3"]);
  assert.equal(slots.free, 0);
});

test("if a user needs its own slot and a shared one, the shared one goes to the longest wait", () => {
  const shared = new Slots(1);
  const own = new Slots(1);
  const log: string[] = [];
  const held = lease(5);
  own.take(held);
  shared.take(held);
  addUser("a", [own, shared], [9], log);
  addUser("b", [new Slots(1), shared], [2], log);
  own.giveBack(held);
  shared.giveBack(held);
  announceFree([own, shared]);
  assert.deepEqual(log, ["b2"]);
});

test("more capacity is announced immediately; less capacity does not take back slots in use", () => {
  const slots = new Slots(0);
  const log: string[] = [];
  const user = addUser("a", [slots], [1, 2, 3], log);
  slots.resize(2);
  assert.deepEqual(log, ["a1", "a2"]);
  slots.resize(1);
  assert.deepEqual([slots.used, slots.free, slots.capacity], [2, 0, 1]);
  user.waiting.length = 0;
  slots.resize(3);
  assert.equal(slots.free, 1);
});

test("after capacity was reduced, a slot is free only once enough have been returned", () => {
  const slots = new Slots(3);
  const leases = [lease(10), lease(20), lease(30)];
  for (const each of leases) slots.take(each);
  slots.resize(1);
  slots.giveBack(leases[0] as { expectedEnd: number });
  assert.equal(slots.free, 0);
  slots.giveBack(leases[1] as { expectedEnd: number });
  assert.equal(slots.free, 0);
  slots.giveBack(leases[2] as { expectedEnd: number });
  assert.equal(slots.free, 1);
});

test("free slots are available now, the others when their leases end; overdue leases may end at any moment", () => {
  const slots = new Slots(4);
  for (const end of [90, 20, 40]) slots.take(lease(end));
  assert.deepEqual(
    [0, 1, 2, 3].map((index) => slots.freeAt(index, 30)),
    [30, 30, 40, 90],
  );
});

test("after capacity was reduced, the first leases to end free no slot", () => {
  const slots = new Slots(3);
  for (const end of [10, 20, 30]) slots.take(lease(end));
  slots.resize(2);
  assert.deepEqual([slots.freeAt(0, 0), slots.freeAt(1, 0)], [20, 30]);
});

test("with unlimited capacity a slot is always free", () => {
  const slots = new Slots(Infinity);
  for (let count = 0; count < 1_000; count++) slots.take(lease(50));
  assert.equal(slots.free, Infinity);
  assert.equal(slots.freeAt(5, 7), 7);
});

const stuckness: readonly (readonly [
  capacity: number,
  finishBys: readonly (number | undefined)[],
  isStuck: boolean,
])[] = [
  [1, [], false],
  [0, [], false],
  [1, [900], true],
  [1, [901], false],
  [1, [undefined], false],
  [2, [100], false],
  [2, [100, 900], true],
  [2, [100, 5_000], false],
  [1, [100, 5_000], true], // more leases than slots: the first one returned frees no slot
  [2, [100, 200, Infinity], true],
  [3, [100, 200, Infinity], false],
  [Infinity, [100, 200], false],
];
for (const [capacity, finishBys, isStuck] of stuckness) {
  test(`${capacity} slots held until ${finishBys.join(", ")} are ${isStuck ? "" : "not "}stuck at 1000 with a grace of 100`, () => {
    const slots = new Slots(capacity);
    for (const finishBy of finishBys)
      slots.take({ expectedEnd: 0, ...(finishBy === undefined ? {} : { finishBy }) });
    assert.equal(slots.isStuck(1_000, 100), isStuck);
  });
}
