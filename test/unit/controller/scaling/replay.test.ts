import assert from "node:assert/strict";
import { test } from "node:test";
import { replay, type RecordedLoad } from "../../../../src/controller/scaling/simulation/replay.ts";
import { DEFAULT_SETTINGS } from "../../../../src/controller/scaling/snapshot.ts";

/** A request every 100 s for two hours, and ten at once at the end. */
const LOAD: RecordedLoad = {
  arrivals: [
    ...Array.from({ length: 72 }, (_, turn): [number, number] => [1_000_000 + turn * 100, 1]),
    [1_008_000, 10],
  ],
  serviceSeconds: 2,
  startSeconds: 10,
};

test("a longer keepAlive costs more and lets fewer requests wait, and the oracle is never dearer", () => {
  const short = replay(LOAD, { ...DEFAULT_SETTINGS, scaling: "documented", keepAlive: 10 });
  const long = replay(LOAD, { ...DEFAULT_SETTINGS, scaling: "documented", keepAlive: 300 });
  for (const { requests, oracleRunnerSeconds, runnerSeconds } of [short, long]) {
    assert.equal(requests, 82);
    assert.ok(oracleRunnerSeconds <= runnerSeconds);
  }
  assert.ok(long.runnerSeconds > short.runnerSeconds);
  assert.ok(long.within1s > short.within1s);
  assert.ok(short.waitP50 >= 9 && short.waitP50 <= 11, String(short.waitP50));
  assert.equal(long.waitP50, 0);
  assert.ok(long.starts < short.starts);
  assert.ok(short.longestWait >= short.waitP99 && short.waitP99 >= short.waitP50);
});

test("runners that are always there let nobody wait, and no more are started than are allowed", () => {
  const always = replay(LOAD, { ...DEFAULT_SETTINGS, minConcurrency: 10, maxConcurrency: 10 });
  const few = replay(LOAD, { ...DEFAULT_SETTINGS, maxConcurrency: 1 });
  assert.equal(few.peakRunners, 1);
  assert.equal(always.peakRunners, 10);
  assert.ok(always.within1s > few.within1s);
});

test("without requests there is nothing to pay and nobody waits", () => {
  const result = replay({ ...LOAD, arrivals: [] }, DEFAULT_SETTINGS);
  assert.deepEqual(
    [result.requests, result.runnerSeconds, result.oracleRunnerSeconds, result.within1s],
    [0, 0, 0, 1],
  );
});
