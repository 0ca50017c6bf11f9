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

test("an outcome counts the requests due in its time span, grouped by result", () => {
  const outcome = outcomeOf(
    samplesOf([
      { due: 0, latency: 10, status: 200 }, // before the span
      { due: 1000, latency: 100, status: 200 },
      { due: 1100, latency: 100.1, status: 200 },
      { due: 1200, latency: 3, status: 503, retryAfter: true },
      { due: 1300, latency: 1, status: 429 },
      { due: 1400, latency: 100, status: 504 },
      { due: 1500, latency: 400, status: 0 },
      { due: 3000, latency: 10, status: 200 }, // after the span
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

test("with no rejected requests, the share of rejections with Retry-After is 1", () => {
  const outcome = outcomeOf(samplesOf([{ due: 1, latency: 1, status: 200 }]), 100, { fromMs: 0, toMs: 10 });
  assert.equal(outcome.retryAfterShare, 1);
  assert.equal(outcome.rejectedP99Ms, 0);
});

test("the slope is exact for evenly spaced events", () => {
  assert.ok(Math.abs(slope([0, 10, 20, 30]) - 0.1) < 1e-12);
  assert.equal(slope([5, 5, 5]), 0);
});

test("the completion rate of batched responses is accurate to less than one batch", () => {
  const requests = Array.from({ length: 36 }, (_, batch) =>
    Array.from({ length: 64 }, (): Request => ({ due: batch * 84, latency: 84, status: 200 })),
  ).flat();
  const rate = completionRate(samplesOf(requests), { fromMs: 0, toMs: 4000 });
  assert.ok(Math.abs(rate / (64_000 / 84) - 1) < 0.002, `${rate}`);
});

test("the completion rate counts only responses with status 200 inside the span", () => {
  const requests = [0, 100, 200, 300, 9000].map((due): Request => ({ due, latency: 5, status: 200 }));
  requests.push({ due: 150, latency: 5, status: 503 });
  assert.equal(Math.round(completionRate(samplesOf(requests), { fromMs: 0, toMs: 1000 })), 10);
});

test("the times of good requests are the times when they were due", () => {
  const samples = samplesOf([
    { due: 0, latency: 50, status: 200 },
    { due: 10, latency: 20, status: 200 },
    { due: 20, latency: 101, status: 200 },
    { due: 30, latency: 1, status: 503 },
  ]);
  assert.deepEqual(goodTimes(samples, 100), [0, 10]);
});

const RECOVERY = { span: { fromMs: 1000, toMs: 5000 }, settledMs: 2000, windowMs: 500, share: 0.9 };

test("recovery lasts until the first window whose goodput reaches the final goodput", () => {
  const times: number[] = [];
  for (let time = 1000; time < 1800; time += 100) times.push(time); // a tenth of the final goodput
  for (let time = 1800; time < 5000; time += 10) times.push(time);
  const ms = recoveryMs(times, RECOVERY);
  assert.ok(ms >= 740 && ms <= 800, `${ms}`);
});

test("recovery takes 0 ms if goodput did not drop", () => {
  const times = Array.from({ length: 400 }, (_, index) => 1000 + index * 10);
  assert.equal(recoveryMs(times, RECOVERY), 0);
});

test("if goodput never recovers, the recovery time is the whole span", () => {
  const late = Array.from({ length: 10 }, (_, index) => 4900 + index * 10);
  assert.equal(recoveryMs(late, { ...RECOVERY, settledMs: 100 }), 4000);
});
