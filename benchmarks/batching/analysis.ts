/**
 * Figures from the samples of a run. Times in milliseconds, rates per second.
 * @module
 */
import { quantile } from "../lib/statistics.ts";
import type { Samples } from "./load.ts";

/** A stretch of a run, in milliseconds from its start. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** A refusal on arrival takes no longer than this, in milliseconds; one after a wait does. */
export const PROMPT_MS = 5;

/** What became of the requests that were due in a span. */
export interface Outcome {
  readonly requests: number;
  /** Per second: answered with 200 within the deadline of the time they were due. */
  readonly goodput: number;
  /** The share of those among all. */
  readonly goodShare: number;
  /** Answered with 200, too late. */
  readonly late: number;
  /** Refused with 429 or 503. */
  readonly rejected: number;
  /** Answered with 504. */
  readonly timedOut: number;
  /** Anything else, no answer included. */
  readonly failed: number;
  /** Of requests that were not refused; 0 without any. */
  readonly acceptedP50Ms: number;
  readonly acceptedP99Ms: number;
  /** Of refusals; 0 without any. */
  readonly rejectedP99Ms: number;
  /** Refusals that took longer than {@link PROMPT_MS}, as a share of all; 0 without any. */
  readonly lateRejectionShare: number;
  /** Refusals that say when to come again, as a share; 1 without refusals. */
  readonly retryAfterShare: number;
}

/** Sums up the requests that were due in a span. */
export function outcomeOf(samples: Samples, deadlineMs: number, span: Span): Outcome {
  const { dueMs, latencyMs, status, retryAfter } = samples;
  const accepted: number[] = [];
  const rejected: number[] = [];
  const counts = { requests: 0, good: 0, late: 0, timedOut: 0, failed: 0, retryAfter: 0 };
  for (const [request, due] of dueMs.entries()) {
    if (due < span.fromMs || due >= span.toMs) continue;
    counts.requests++;
    const latency = latencyMs[request] as number;
    const code = status[request] as number;
    if (code === 429 || code === 503) {
      rejected.push(latency);
      counts.retryAfter += retryAfter[request] as number;
      continue;
    }
    accepted.push(latency);
    if (code === 504) counts.timedOut++;
    else if (code !== 200) counts.failed++;
    else if (latency <= deadlineMs) counts.good++;
    else counts.late++;
  }
  const at = (latencies: readonly number[], share: number): number =>
    latencies.length === 0 ? 0 : quantile(latencies, share);
  return {
    requests: counts.requests,
    goodput: (counts.good / (span.toMs - span.fromMs)) * 1000,
    goodShare: counts.good / Math.max(1, counts.requests),
    late: counts.late,
    rejected: rejected.length,
    timedOut: counts.timedOut,
    failed: counts.failed,
    acceptedP50Ms: at(accepted, 0.5),
    acceptedP99Ms: at(accepted, 0.99),
    rejectedP99Ms: at(rejected, 0.99),
    lateRejectionShare:
      rejected.filter((latency) => latency > PROMPT_MS).length / Math.max(1, rejected.length),
    retryAfterShare: rejected.length === 0 ? 1 : counts.retryAfter / rejected.length,
  };
}

/**
 * Answers with 200 per second in a span: the slope of the line through their times. Counting them and dividing by the
 * span would be off by a batch, since they come a batch at a time.
 */
export function completionRate({ dueMs, latencyMs, status }: Samples, span: Span): number {
  const times: number[] = [];
  for (const [request, due] of dueMs.entries()) {
    const at = due + (latencyMs[request] as number);
    if (status[request] === 200 && at >= span.fromMs && at < span.toMs) times.push(at);
  }
  return times.length < 2 ? 0 : 1000 * slope(times.sort((one, other) => one - other));
}

/** Events per unit of time, by least squares over their sorted times; 0 when they are all at once. */
export function slope(times: readonly number[]): number {
  const meanTime = times.reduce((sum, time) => sum + time, 0) / times.length;
  const meanIndex = (times.length - 1) / 2;
  let covariance = 0;
  let variance = 0;
  for (const [index, time] of times.entries()) {
    covariance += (time - meanTime) * (index - meanIndex);
    variance += (time - meanTime) ** 2;
  }
  return variance === 0 ? 0 : covariance / variance;
}

/** When those requests were due, in order, that were answered with 200 in time. */
export function goodTimes({ dueMs, latencyMs, status }: Samples, deadlineMs: number): number[] {
  return [...dueMs].filter(
    (_due, request) => status[request] === 200 && (latencyMs[request] as number) <= deadlineMs,
  );
}

/** How recovery is told. */
export interface RecoveryOptions {
  /** The stretch after the change. */
  readonly span: Span;
  /** Its last part, in which all has settled: what goodput must come back to. */
  readonly settledMs: number;
  /** The window whose goodput is looked at. */
  readonly windowMs: number;
  /** Back means this share of the settled goodput. */
  readonly share: number;
}

/**
 * How long after a change goodput was back: until the start of the first window in which it is what it is in the end,
 * or nearly so. The whole span when it never was. In milliseconds.
 */
export function recoveryMs(times: readonly number[], options: RecoveryOptions): number {
  const { span, settledMs, windowMs, share } = options;
  const countIn = (fromMs: number, toMs: number): number =>
    times.filter((time) => time >= fromMs && time < toMs).length;
  const settled = countIn(span.toMs - settledMs, span.toMs) / settledMs;
  const step = windowMs / 50;
  for (let fromMs = span.fromMs; fromMs + windowMs <= span.toMs; fromMs += step) {
    if (countIn(fromMs, fromMs + windowMs) / windowMs >= share * settled) return fromMs - span.fromMs;
  }
  return span.toMs - span.fromMs;
}
