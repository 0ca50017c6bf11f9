import type { BatchReason } from "./batch-plan.ts";

/** So many batches in a row hold one item before anybody is told. */
const LONELY_BATCHES = 64;

/** Why batches hold one item each, where it can be told, and what to do. */
const ADVICE = {
  sequence:
    "one caller sends in sequence, each request after the answer to the last; several at a time would share a batch",
  group: "every item is of another group; a coarser groupBy would let them share a batch",
  cost: "one item costs as much as a batch may; a higher maxCost would let several share a batch",
} as const;

type Cause = keyof typeof ADVICE;

/** Notices that batching does nothing, for a reason that somebody can do something about, and says so once. */
export class BatchHint {
  readonly #report: (advice: string) => void;
  readonly #reported = new Set<Cause>();
  #cause: Cause | undefined;
  #inRow = 0;
  #lastEnd = -Infinity;
  #lastRunMs = 0;

  constructor(report: (advice: string) => void) {
    this.#report = report;
  }

  /** A batch starts; `arrivedAt` is when its first item came, on the clock of {@link ended}. */
  started(size: number, reason: BatchReason, arrivedAt: number): void {
    const cause = size === 1 ? this.#causeOf(reason, arrivedAt) : undefined;
    this.#inRow = cause !== undefined && cause === this.#cause ? this.#inRow + 1 : 1;
    this.#cause = cause;
    if (cause === undefined || this.#inRow < LONELY_BATCHES || this.#reported.has(cause)) return;
    this.#reported.add(cause);
    this.#report(`the last ${LONELY_BATCHES} batches held one item each: ${ADVICE[cause]}`);
  }

  ended(now: number, runMs: number): void {
    this.#lastEnd = now;
    this.#lastRunMs = runMs;
  }

  #causeOf(reason: BatchReason, arrivedAt: number): Cause | undefined {
    if (reason === "group" || reason === "cost") return reason;
    // It came soon after the last answer and not before. If it came much later there is just little to do.
    const gap = arrivedAt - this.#lastEnd;
    return gap >= 0 && gap < this.#lastRunMs ? "sequence" : undefined;
  }
}
