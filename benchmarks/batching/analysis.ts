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

/** The maximum latency of a refusal on arrival, in milliseconds; a refusal after a wait takes longer. */
export const PROMPT_MS = 5;

/** The outcome of the requests due in a span. */
export interface Outcome {
  readonly requests: number;
  /** Responses with 200 within the deadline, counted from the due time, per second. */
  readonly goodput: number;
  /** Their share of all requests. */
  readonly goodShare: number;
  /** Responses with 200 after the deadline. */
  readonly late: number;
  /** Refusals with 429 or 503. */
  readonly rejected: number;
  /** Responses with 504. */
  readonly timedOut: number;
  /** All other outcomes, including no response. */
  readonly failed: number;
  /** The latency of requests that were not refused; 0 without any. */
  readonly acceptedP50Ms: number;
  readonly acceptedP99Ms: number;
  /** The latency of refusals; 0 without any. */
  readonly rejectedP99Ms: number;
  /** Refusals that took longer than {@link PROMPT_MS}, as a share of all; 0 without any. */
  readonly lateRejectionShare: number;
  /** The share of refusals with a Retry-After; 1 without refusals. */
  readonly retryAfterShare: number;
}

/** Summarizes the requests due in a span. */
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
 * Responses with 200 per second in a span: the slope of the line through their times. Counting them and dividing by the
 * span could be off by one batch, since they arrive in batches.
 */
export function completionRate({ dueMs, latencyMs, status }: Samples, span: Span): number {
  const times: number[] = [];
  for (const [request, due] of dueMs.entries()) {
    const at = due + (latencyMs[request] as number);
    if (status[request] === 200 && at >= span.fromMs && at < span.toMs) times.push(at);
  }
  return times.length < 2 ? 0 : 1000 * slope(times.sort((one, other) => one - other));
}

/** Events per unit of time, by least squares over their sorted times; 0 if all have the same time. */
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

/** The due times, in order, of the requests answered with 200 in time. */
export function goodTimes({ dueMs, latencyMs, status }: Samples, deadlineMs: number): number[] {
  return [...dueMs].filter(
    (_due, request) => status[request] === 200 && (latencyMs[request] as number) <= deadlineMs,
  );
}

/** The definition of recovery. */
export interface RecoveryOptions {
  /** The span after the change. */
  readonly span: Span;
  /** The length of its settled last part, whose goodput is the reference. */
  readonly settledMs: number;
  /** The length of the sliding window for goodput. */
  readonly windowMs: number;
  /** The share of the settled goodput that means recovery. */
  readonly share: number;
}

/**
 * The time of recovery of goodput after a change: until the start of the first window that reaches the given share of
 * the settled goodput. The whole span if none does. In milliseconds.
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
