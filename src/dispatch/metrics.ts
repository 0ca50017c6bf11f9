import type { BatchReason } from "./batch-plan.ts";
import type { Refusal } from "./refusal.ts";

/** Upper bounds of the histogram of batch sizes. */
const SIZE_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] as const;
/** Upper bounds of the histograms of waits and runs, in milliseconds. */
const TIME_BUCKETS_MS = [
  ...[1, 2.5, 5, 10, 25, 50, 100, 250, 500],
  ...[1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000],
] as const;

/** A histogram with fixed bounds. */
export class Histogram {
  readonly bounds: readonly number[];
  /** One counter for each bound, not cumulative; the last is for values above all bounds. */
  readonly buckets: number[];
  count = 0;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.buckets = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  add(value: number): void {
    this.count++;
    this.sum += value;
    let index = 0;
    while (index < this.bounds.length && value > (this.bounds[index] as number)) index++;
    this.buckets[index] = (this.buckets[index] as number) + 1;
  }
}

/** The counters of a dispatcher, read when metrics are collected. */
export class DispatchMetrics {
  readonly batchSizes = new Histogram(SIZE_BUCKETS);
  readonly waits = new Histogram(TIME_BUCKETS_MS);
  readonly runs = new Histogram(TIME_BUCKETS_MS);
  /** Batches by what limited their size. */
  readonly reasons = new Map<BatchReason, number>();
  /** Rejected jobs by error code. */
  readonly refusals = new Map<string, number>();
  /** Jobs whose caller left, while queued and while running. */
  readonly cancelled = { waiting: 0, running: 0 };
  /** Jobs that missed their deadline, while queued and while running. */
  readonly timeouts = { queue: 0, run: 0 };
  /** Jobs that were settled before their run ended, because of a timeout or a disconnected caller. */
  late = 0;
  /** Jobs that were run again after their worker died. */
  retried = 0;
  #depth: () => number = () => 0;
  #oldestAgeMs: () => number = () => 0;

  /** Number of queued jobs. */
  get depth(): number {
    return this.#depth();
  }

  /** Age of the oldest queued job, in milliseconds; 0 if none is queued. */
  get oldestAgeMs(): number {
    return this.#oldestAgeMs();
  }

  watch(gauges: { depth: () => number; oldestAgeMs: () => number }): void {
    this.#depth = gauges.depth;
    this.#oldestAgeMs = gauges.oldestAgeMs;
  }

  waited(ms: number): void {
    this.waits.add(ms);
  }

  started(size: number, reason: BatchReason): void {
    this.batchSizes.add(size);
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
  }

  ended(ms: number): void {
    this.runs.add(ms);
  }

  shed({ code }: Pick<Refusal, "code">): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
  }
}
