import type { Answer, Item } from "../item.ts";

/** When a batch is formed and run: what the benchmark compares. */
export interface Rule {
  /** Answers one request. @throws Refusal when the rule sheds it. */
  submit(input: Item): Promise<Answer>;
}

/** What every rule works with. */
export interface RuleOptions {
  /** Items that a batch holds at most. */
  readonly maxSize: number;
  /** Batches that run at a time at most. */
  readonly executors: number;
  /** How long callers wait, in milliseconds. */
  readonly deadlineMs: number;
  /** What a batch of so many items takes, in milliseconds. */
  cost(size: number): number;
  /** Runs a batch; the answers are in the order of the items. */
  run(inputs: readonly Item[]): Promise<readonly Answer[]>;
}

/** A rule that would not answer in time: 429. */
export class Refusal extends Error {
  /** When a caller may try again. */
  readonly retryAfterSeconds: number;

  constructor(waitMs: number) {
    super("It could not be answered in time.");
    this.retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
  }
}
