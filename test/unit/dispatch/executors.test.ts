import assert from "node:assert/strict";
import { test } from "node:test";
import { Simulation } from "../../helpers/simulation.ts";

test("several executors are counted: calls that they can answer in time are accepted", async () => {
  const shape = { fixed: 100, perItem: 0, maxSize: 1, limitMs: 430 };
  const simulation = new Simulation(shape, { executors: 64 });
  simulation.send();
  await simulation.runUntil(200); // from here on the cost of a run is known
  for (let count = 0; count < 150; count++) simulation.send();
  await simulation.runUntil(1_000);
  assert.deepEqual(
    simulation.outcomes.filter(({ kind }) => kind !== "answered"),
    [],
  );
});

test("calls that the executors cannot answer in time are rejected immediately", async () => {
  const shape = { fixed: 100, perItem: 0, maxSize: 1, limitMs: 430 };
  const simulation = new Simulation(shape, { executors: 64 });
  // After sixty runs the cost of one is certain.
  for (let count = 0; count < 60; count++) simulation.send();
  await simulation.runUntil(200);
  for (let count = 0; count < 300; count++) simulation.send();
  await simulation.runUntil(1_000);
  const refused = simulation.outcomes.filter(({ kind }) => kind === "refused");
  assert.equal(refused.length, 300 - 4 * 64);
  assert.ok(refused.every(({ ms }) => ms === 0));
});
