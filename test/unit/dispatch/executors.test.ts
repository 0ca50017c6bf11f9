import assert from "node:assert/strict";
import { test } from "node:test";
import { Simulation } from "../../helpers/simulation.ts";

test("many executors count as many: what they can answer in time is not refused", async () => {
  const shape = { fixed: 100, perItem: 0, maxSize: 1, limitMs: 430 };
  const simulation = new Simulation(shape, { executors: 64 });
  simulation.send();
  await simulation.runUntil(200); // what a run costs is known from here on
  for (let count = 0; count < 150; count++) simulation.send();
  await simulation.runUntil(1_000);
  assert.deepEqual(
    simulation.outcomes.filter(({ kind }) => kind !== "answered"),
    [],
  );
});

test("what comes after more than they can answer in time is refused at once", async () => {
  const shape = { fixed: 100, perItem: 0, maxSize: 1, limitMs: 430 };
  const simulation = new Simulation(shape, { executors: 64 });
  // Sixty runs, after which nobody doubts what one costs.
  for (let count = 0; count < 60; count++) simulation.send();
  await simulation.runUntil(200);
  for (let count = 0; count < 300; count++) simulation.send();
  await simulation.runUntil(1_000);
  const refused = simulation.outcomes.filter(({ kind }) => kind === "refused");
  assert.equal(refused.length, 300 - 4 * 64);
  assert.ok(refused.every(({ ms }) => ms === 0));
});
