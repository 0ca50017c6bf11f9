import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveRunner } from "../../../../src/controller/scheduler/live-runner.ts";
import { MachineRoom } from "../../../../src/controller/scheduler/machine-room.ts";
import { shareRoom, victimsFor, type RoomClaim } from "../../../../src/controller/scheduler/room-plan.ts";
import type { Need } from "../../../../src/controller/state/machine-types.ts";
import type { Revision } from "../../../../src/controller/state/revisions.ts";

const GPU = { id: "0", name: "GPU 0" };
const need = (memoryMb: number, gpus = 0): Need => ({
  ...{ memoryBytes: memoryMb * 1e6, cpus: undefined, gpus, machineTypes: "T" },
});
const NUMBERS = { running: 0, load: 0, slots: 1, startSeconds: 4, serviceSeconds: 1, ready: 0, starting: 0 };

function claim(app: string, start: number, each: Need, runners: RoomClaim["runners"] = []): RoomClaim {
  const target = runners.length + start;
  const numbers = { ...NUMBERS, waiting: start, wanted: target };
  const decision = { target, start, stop: [], reason: `${target} wanted`, numbers };
  return { app, decision, need: each, minConcurrency: 0, runners };
}

test("apps share the memory and the devices that are free, and what is put off says what it lacks", () => {
  const room = new MachineRoom({ memoryBytes: 1e9, gpus: [GPU] });
  const shared = shareRoom(
    [claim("a", 3, need(300)), claim("b", 3, need(300)), claim("gpu", 2, need(100, 1))],
    room,
    { memoryBytes: 0, gpus: 0 },
  );
  const starts = [...shared].map(([app, { start }]) => `${app} ${start}`);
  assert.deepEqual(starts, ["a 1", "b 1", "gpu 1"]);
  assert.match(shared.get("a")?.reason ?? "", /^3 wanted; 1 of 3 starts now: /);
});

test("room that is kept for a waiting runner is not given to others", () => {
  const room = new MachineRoom({ memoryBytes: 1e9, gpus: [GPU] });
  const shared = shareRoom([claim("a", 2, need(300, 1))], room, { memoryBytes: 0, gpus: 1 });
  assert.equal(shared.get("a")?.start, 0);
});

function live(id: string, revision: string, requests: number, app = "app"): LiveRunner {
  const row = { id: revision, app, environment: "main" } as Revision;
  const runner = new LiveRunner(id, row, 0);
  runner.state = "ready";
  for (let count = 0; count < requests; count++) runner.leases.add({ runner } as never);
  return runner;
}

test("for a runner that waits, idle runners end before busy ones, and of other apps only idle ones above their minimum", () => {
  const room = new MachineRoom({ memoryBytes: 1e9, gpus: [] });
  const old = live("old", "1", 1);
  const spare = live("spare", "1", 0, "other");
  const needed = live("needed", "1", 0, "third");
  for (const { id } of [old, spare, needed]) room.take(id, need(300));
  const next = live("next", "2", 0);
  const owners = (spares: readonly LiveRunner[]): Parameters<typeof victimsFor>[2] => [
    { minConcurrency: 0, runners: [old, next] },
    { minConcurrency: 0, runners: spares },
    { minConcurrency: 1, runners: [needed] },
  ];
  const ids = (runners: readonly LiveRunner[]): string[] => runners.map(({ id }) => id);
  assert.deepEqual(ids(victimsFor(next, need(300), owners([spare]), room)), ["spare"]);
  assert.deepEqual(ids(victimsFor(next, need(300), owners([]), room)), ["old"]);
  assert.deepEqual(ids(victimsFor(next, need(900), owners([spare]), room)), [], "it would not suffice");
  spare.state = "draining";
  assert.deepEqual(ids(victimsFor(next, need(300), owners([spare]), room)), [], "enough is ending");
});
