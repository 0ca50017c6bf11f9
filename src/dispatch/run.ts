import type { Job } from "./job.ts";
import type { SlotLease } from "./slots.ts";

/** Aborts when nobody wants any result of a run any more. A signal is made when somebody asks for it. */
export interface RunSignal {
  readonly signal: AbortSignal;
  /** When the last of its calls has to be answered, on the dispatcher's clock; Infinity for no limit. */
  readonly finishBy: number;
}

/** A batch that runs, until its executor has ended it: its callers may be gone before. */
export class Run<T> implements SlotLease, RunSignal {
  readonly jobs: readonly Job<T>[];
  readonly cost: number;
  readonly startedAt: number;
  readonly expectedEnd: number;
  endedAt = Infinity;
  #wanted: number;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;

  constructor(jobs: readonly Job<T>[], cost: number, startedAt: number, expectedMs: number) {
    this.jobs = jobs;
    this.cost = cost;
    this.startedAt = startedAt;
    this.expectedEnd = startedAt + expectedMs;
    this.#wanted = jobs.length;
  }

  /** How many callers it began with. */
  get size(): number {
    return this.jobs.length;
  }

  /** How many callers still wait. */
  get wanted(): number {
    return this.#wanted;
  }

  get finishBy(): number {
    let latest = -Infinity;
    for (const { finishBy } of this.jobs) latest = Math.max(latest, finishBy);
    return latest;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason);
    return this.#controller.signal;
  }

  /** One caller less. With the last one the run is of no use. */
  leave(reason: unknown): void {
    if (--this.#wanted > 0) return;
    this.#aborted = { reason };
    this.#controller?.abort(reason);
  }
}
