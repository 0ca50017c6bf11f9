import type { Answer, Item } from "../item.ts";

/** Decides when a batch is formed and run; the benchmark compares such rules. */
export interface Rule {
  /** Answers one request. @throws Refusal if the rule sheds it. */
  submit(input: Item): Promise<Answer>;
}

/** The parameters of every rule. */
export interface RuleOptions {
  /** The maximum number of items in a batch. */
  readonly maxSize: number;
  /** The maximum number of concurrent batches. */
  readonly executors: number;
  /** The deadline of callers, in milliseconds. */
  readonly deadlineMs: number;
  /** The duration of a batch of a given size, in milliseconds. */
  cost(size: number): number;
  /** Runs a batch; the answers are in the order of the items. */
  run(inputs: readonly Item[]): Promise<readonly Answer[]>;
}

/** The refusal of a request that would be late: 429. */
export class Refusal extends Error {
  /** The time after which a caller may retry. */
  readonly retryAfterSeconds: number;

  constructor(waitMs: number) {
    super("It could not be answered in time.");
    this.retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
  }
}
