import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { CrowdedTurns } from "../../../../src/server/dispatch/crowded-turns.ts";

/** A clock whose turns end when the test says so. */
class TurnClock {
  #now = 0;
  #callbacks: (() => void)[] = [];

  now(): number {
    return this.#now;
  }

  soon(callback: () => void): () => void {
    this.#callbacks.push(callback);
    return () => {};
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  endTurn(): void {
    for (const callback of this.#callbacks.splice(0)) callback();
  }
}

/** A connection that notes whether it is read. */
class Connection {
  isRead = true;
  readonly _handle = {
    readStop: (): void => void (this.isRead = false),
    readStart: (): void => void (this.isRead = true),
  };

  /** As the connection that it stands for: only its handle is used. */
  get socket(): Socket {
    return this as unknown as Socket;
  }
}

const connections = (count: number): Connection[] => Array.from({ length: count }, () => new Connection());
const readOf = (all: readonly Connection[]): number => all.filter(({ isRead }) => isRead).length;

/** Refuses a request on each connection that is read, in one turn of the event loop; each takes `ms`. */
function turn(clock: TurnClock, turns: CrowdedTurns, all: readonly Connection[], ms: number): number {
  const read = all.filter(({ isRead }) => isRead);
  for (const connection of read) {
    turns.refused(connection.socket);
    clock.pass(ms);
  }
  clock.endTurn();
  return read.length;
}

/** A turn without refusals. */
function emptyTurn(clock: TurnClock): void {
  clock.pass(1);
  clock.endTurn();
}

test("in turns that refuse in a short time, all connections are read", () => {
  const clock = new TurnClock();
  const turns = new CrowdedTurns(clock);
  const all = connections(100);
  for (let count = 0; count < 50; count++) {
    turn(clock, turns, all, 0.01);
    assert.equal(readOf(all), 100);
  }
});

test("few refusals in a long turn pause nothing: the machine may be busy with other work", () => {
  const clock = new TurnClock();
  const turns = new CrowdedTurns(clock);
  const all = connections(20);
  for (let count = 0; count < 50; count++) turn(clock, turns, all, 2);
  assert.equal(readOf(all), 20);
});

test("with more requests than there is time for, turns become short, and each connection is read again", () => {
  const clock = new TurnClock();
  const turns = new CrowdedTurns(clock);
  const all = connections(5_000);
  const lastRead = new Map<Connection, number>(all.map((connection) => [connection, 0]));
  let longestUnread = 0;
  const sizes: number[] = [];
  while (clock.now() < 3_000) {
    for (const connection of all) {
      if (!connection.isRead) continue;
      longestUnread = Math.max(longestUnread, clock.now() - (lastRead.get(connection) ?? 0));
      lastRead.set(connection, clock.now());
    }
    sizes.push(turn(clock, turns, all, 0.02));
  }
  assert.equal(sizes[0], 5_000, "in the first turn, all connections have sent something");
  const later = sizes.slice(20).sort((one, other) => one - other);
  const median = later[later.length >> 1] ?? 0;
  assert.ok(median >= 25 && median <= 250, `${median} in a turn`);
  assert.ok(longestUnread > 100 && longestUnread < 2_000, `unread for ${longestUnread} ms`);
});

test("a request on a connection that was not read may have waited since then; later ones have not", () => {
  const clock = new TurnClock();
  const turns = new CrowdedTurns(clock);
  const all = connections(300);
  turn(clock, turns, all, 0.02);
  const paused = all.findLast(({ isRead }) => !isRead);
  assert.ok(paused !== undefined);
  const pausedAt = clock.now();
  // Turns without refusals: the connections are read again, some at a time.
  while (!paused.isRead) emptyTurn(clock);
  assert.ok(Math.abs(turns.unreadMs(paused.socket) - (clock.now() - pausedAt)) <= 1);
  while (turns.unread > 0) emptyTurn(clock);
  emptyTurn(clock);
  assert.equal(turns.unreadMs(paused.socket), 0);
});

test("a connection that closes while it is not read is forgotten", () => {
  const clock = new TurnClock();
  const turns = new CrowdedTurns(clock);
  const all = connections(300);
  turn(clock, turns, all, 0.02);
  for (const connection of all) Reflect.set(connection, "_handle", null);
  for (let count = 0; count < 20; count++) emptyTurn(clock);
  assert.equal(turns.unread, 0);
});
