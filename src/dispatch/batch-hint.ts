import type { BatchReason } from "./batch-plan.ts";

/** Number of consecutive one-item batches before a hint is reported. */
const LONELY_BATCHES = 64;

/** For each detectable cause of one-item batches: the cause, and a remedy. */
const ADVICE = {
  sequence:
    "one caller sends in sequence, waiting for each answer; several requests at a time would share a batch",
  group: "each item has a different group; a coarser groupBy would let items share a batch",
  cost: "a single item reaches the cost limit of a batch; a higher maxCost would let several share one",
} as const;

type Cause = keyof typeof ADVICE;

/** Detects that batching has no effect for a reason that can be fixed. Reports each cause once. */
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

  /** Records the start of a batch. `arrivedAt`: arrival of its first item, on the clock of {@link ended}. */
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
    // If the item arrived shortly after the last answer, its caller waits for each answer. If it arrived much later,
    // there is little load.
    const gap = arrivedAt - this.#lastEnd;
    return gap >= 0 && gap < this.#lastRunMs ? "sequence" : undefined;
  }
}
