import assert from "node:assert/strict";
import { test } from "node:test";
import { MachineRoom } from "../../../../src/controller/scheduler/machine-room.ts";
import { MachineTypes, type Need } from "../../../../src/controller/state/machine-types.ts";

const GPUS = [
  { id: "GPU-a", name: "A100" },
  { id: "GPU-b", name: "A100" },
];
const need = (memoryMb: number | undefined, gpus = 0): Need => ({
  memoryBytes: memoryMb === undefined ? undefined : memoryMb * 1e6,
  cpus: undefined,
  gpus,
  machineTypes: "T",
});

test("a device belongs to one runner at a time, and is free after its end", () => {
  const room = new MachineRoom({ memoryBytes: 1e9, gpus: GPUS });
  assert.deepEqual(room.take("one", need(0, 1)), [GPUS[0]]);
  assert.deepEqual(room.take("two", need(0, 1)), [GPUS[1]]);
  assert.equal(room.take("three", need(0, 1)), undefined);
  assert.equal(room.shortage(need(0, 1)), "it needs 1 GPU: 0 of 2 are free");
  room.free("one");
  assert.deepEqual(room.take("three", need(0, 1)), [GPUS[0]]);
  assert.deepEqual(
    room.holders().map(({ runner }) => runner),
    ["three", "two"],
  );
});

test("runners get the memory of their types until it is used up; those without a limit take none", () => {
  const room = new MachineRoom({ memoryBytes: 1e9, gpus: [] });
  assert.deepEqual(room.take("one", need(600)), []);
  assert.deepEqual(room.take("any", need(undefined)), []);
  assert.equal(room.take("two", need(600)), undefined);
  assert.equal(
    room.shortage(need(600)),
    "no memory left: machine type T needs 600 MB, 400 MB of 1 GB are free",
  );
  assert.equal(room.shortage(need(600), new Set(["one"])), undefined);
  assert.deepEqual(room.take("one", need(600)), [], "its own part");
});

test("needs that never fit are refused by name", () => {
  const room = new MachineRoom({ memoryBytes: 1e9, gpus: GPUS });
  assert.match(room.refusal(need(0, 3)) ?? "", /^it needs 3 GPUs, and this platform has 2: /);
  assert.match(
    room.refusal(need(2_000)) ?? "",
    /^machine type T has 2 GB of memory, .* has 1 GB for all runners/,
  );
  assert.equal(room.refusal(need(1_000, 2)), undefined);
});

test("a runner of an earlier process keeps its devices, also one that the inventory does not have any more", () => {
  const room = new MachineRoom({ memoryBytes: 1e9, gpus: GPUS });
  room.restore("old", need(600), ["GPU-a", "GPU-gone"]);
  assert.deepEqual(room.take("new", need(0, 1)), [GPUS[1]]);
  assert.equal(room.freeMemoryBytes, 400e6);
});

test("machine types are those of the platform, several give the most of them, and one without a limit has none", () => {
  const types = new MachineTypes({
    XS: { memoryMb: 256, cpus: 0.5 },
    BIG: { memoryMb: 64_000, cpus: 8, gpus: 2 },
  });
  assert.deepEqual(types.needOf(["XS"], 0), { memoryBytes: 256e6, cpus: 0.5, gpus: 0, machineTypes: "XS" });
  assert.deepEqual(types.needOf(["XS", "BIG"], 0), {
    ...{ memoryBytes: 64e9, cpus: 8, gpus: 2, machineTypes: "XS, BIG" },
  });
  assert.equal(types.needOf(["BIG"], 1).gpus, 1, "numGpus of the app");
  assert.deepEqual(types.needOf(["M"], 0), { memoryBytes: 2e9, cpus: undefined, gpus: 0, machineTypes: "M" });
  assert.equal(types.needOf(["XS", "unknown"], 0).memoryBytes, undefined);
  assert.equal(types.needOf(["GPU-H100"], 0).gpus, 1);
});
