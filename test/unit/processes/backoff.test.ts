import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../../../src/processes/backoff.ts";

const RESTARTS = { firstMs: 100, lastMs: 5_000, isFirstImmediate: true, stableMs: 10_000 };

test("the first restart is immediate, later ones wait 100 ms, doubled each time up to 5 s", () => {
  const backoff = new Backoff(RESTARTS);
  const waits = Array.from({ length: 10 }, () => backoff.next(0));
  assert.deepEqual(waits, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  for (let end = 0; end < 2000; end++) assert.equal(backoff.next(9_999), 5000);
});

test("after ten seconds of uptime the waits start again", () => {
  const backoff = new Backoff(RESTARTS);
  assert.deepEqual(
    [backoff.next(0), backoff.next(500), backoff.next(10_000), backoff.next(0)],
    [0, 100, 0, 100],
  );
});

test("waits vary by at most the jitter, double up to the maximum, and start again after a reset", () => {
  const backoff = new Backoff({ firstMs: 100, lastMs: 300, jitter: 0.2 });
  for (let round = 0; round < 20; round++) {
    for (const regular of [100, 200, 300, 300]) {
      const wait = backoff.next();
      assert.ok(wait >= regular * 0.8 && wait <= regular * 1.2, `${wait} ms for ${regular} ms`);
    }
    backoff.reset();
  }
});
