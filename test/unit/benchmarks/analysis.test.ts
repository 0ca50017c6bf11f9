import assert from "node:assert/strict";
import { test } from "node:test";
import {
  completionRate,
  goodTimes,
  outcomeOf,
  recoveryMs,
  slope,
} from "../../../benchmarks/batching/analysis.ts";
import type { Samples } from "../../../benchmarks/batching/load.ts";

interface Request {
  readonly due: number;
  readonly latency: number;
  readonly status: number;
  readonly retryAfter?: boolean;
}

function samplesOf(requests: readonly Request[]): Samples {
  return {
    startedMs: 0,
    dueMs: Float64Array.from(requests, ({ due }) => due),
    latencyMs: Float64Array.from(requests, ({ latency }) => latency),
    lateMs: new Float64Array(requests.length),
    status: Uint16Array.from(requests, ({ status }) => status),
    retryAfter: Uint8Array.from(requests, ({ retryAfter = false }) => (retryAfter ? 1 : 0)),
  };
}

test("an outcome counts what was due in its span, by what became of it", () => {
  const outcome = outcomeOf(
    samplesOf([
      { due: 0, latency: 10, status: 200 }, // before the span
      { due: 1000, latency: 100, status: 200 },
      { due: 1100, latency: 100.1, status: 200 },
      { due: 1200, latency: 3, status: 503, retryAfter: true },
      { due: 1300, latency: 1, status: 429 },
      { due: 1400, latency: 100, status: 504 },
      { due: 1500, latency: 400, status: 0 },
      { due: 3000, latency: 10, status: 200 }, // after it
    ]),
    100,
    { fromMs: 1000, toMs: 3000 },
  );
  assert.equal(outcome.requests, 6);
  assert.equal(outcome.goodput, 0.5);
  assert.equal(outcome.goodShare, 1 / 6);
  assert.deepEqual([outcome.late, outcome.rejected, outcome.timedOut, outcome.failed], [1, 2, 1, 1]);
  assert.equal(outcome.retryAfterShare, 0.5);
  assert.ok(outcome.rejectedP99Ms > 2.9 && outcome.rejectedP99Ms <= 3);
  assert.ok(outcome.acceptedP99Ms > 390, "what was never answered is no fast answer");
});

test("without refusals, all of them carried Retry-After", () => {
  const outcome = outcomeOf(samplesOf([{ due: 1, latency: 1, status: 200 }]), 100, { fromMs: 0, toMs: 10 });
  assert.equal(outcome.retryAfterShare, 1);
  assert.equal(outcome.rejectedP99Ms, 0);
});

test("a slope is exact for events at even distances", () => {
  assert.ok(Math.abs(slope([0, 10, 20, 30]) - 0.1) < 1e-12);
  assert.equal(slope([5, 5, 5]), 0);
});

test("the rate of answers that come a batch at a time is not off by a batch", () => {
  const requests = Array.from({ length: 36 }, (_, batch) =>
    Array.from({ length: 64 }, (): Request => ({ due: batch * 84, latency: 84, status: 200 })),
  ).flat();
  const rate = completionRate(samplesOf(requests), { fromMs: 0, toMs: 4000 });
  assert.ok(Math.abs(rate / (64_000 / 84) - 1) < 0.002, `${rate}`);
});

test("only answers of 200 within the span make up its rate", () => {
  const requests = [0, 100, 200, 300, 9000].map((due): Request => ({ due, latency: 5, status: 200 }));
  requests.push({ due: 150, latency: 5, status: 503 });
  assert.equal(Math.round(completionRate(samplesOf(requests), { fromMs: 0, toMs: 1000 })), 10);
});

test("good requests are told by when they were due", () => {
  const samples = samplesOf([
    { due: 0, latency: 50, status: 200 },
    { due: 10, latency: 20, status: 200 },
    { due: 20, latency: 101, status: 200 },
    { due: 30, latency: 1, status: 503 },
  ]);
  assert.deepEqual(goodTimes(samples, 100), [0, 10]);
});

const RECOVERY = { span: { fromMs: 1000, toMs: 5000 }, settledMs: 2000, windowMs: 500, share: 0.9 };

test("recovery lasts until the first window in which goodput is what it is in the end", () => {
  const times: number[] = [];
  for (let time = 1000; time < 1800; time += 100) times.push(time); // a tenth of what it will be
  for (let time = 1800; time < 5000; time += 10) times.push(time);
  const ms = recoveryMs(times, RECOVERY);
  assert.ok(ms >= 740 && ms <= 800, `${ms}`);
});

test("there is no recovery to wait for where goodput did not fall", () => {
  const times = Array.from({ length: 400 }, (_, index) => 1000 + index * 10);
  assert.equal(recoveryMs(times, RECOVERY), 0);
});

test("recovery that never comes lasts as long as was looked", () => {
  const late = Array.from({ length: 10 }, (_, index) => 4900 + index * 10);
  assert.equal(recoveryMs(late, { ...RECOVERY, settledMs: 100 }), 4000);
});
