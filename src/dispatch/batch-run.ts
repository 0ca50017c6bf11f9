import { BatchItemErrors, BatchLengthException } from "../errors.ts";
import type { Job } from "./job.ts";
import type { SlotLease } from "./slots.ts";

/** Aborts when nobody wants any result of a run any more. A signal is made when somebody asks for it. */
export interface RunSignal {
  readonly signal: AbortSignal;
  /** When the last of its calls has to be answered, on the dispatcher's clock; Infinity for no limit. */
  readonly finishBy: number;
}

/** A batch that runs, until its executor has ended it: its callers may be gone before. */
export class BatchRun<T> implements SlotLease, RunSignal {
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

/** Calls a method that takes and returns arrays. */
export type CallBatch<T> = (values: readonly T[]) => unknown;

/**
 * Runs a batch and gives each of its items a result of its own: a value, or the `Error` that is that item's answer.
 * With `isolateErrors` a batch that throws is run again in halves, so that what is at fault fails alone.
 * @throws BatchLengthException when there are more or fewer results than items, and what the method threw.
 */
export async function runBatch<T>(
  name: string,
  values: readonly T[],
  call: CallBatch<T>,
  isolateErrors: boolean,
  run: Pick<RunSignal, "signal">,
): Promise<readonly unknown[]> {
  try {
    return resultsOf(name, values.length, await call(values));
  } catch (error) {
    if (error instanceof BatchItemErrors) return resultsOf(name, values.length, error.results);
    if (!isolateErrors || run.signal.aborted || error instanceof BatchLengthException) throw error;
    if (values.length === 1) return [asFailure(error)];
    const middle = Math.ceil(values.length / 2);
    return [
      ...(await runBatch(name, values.slice(0, middle), call, true, run).catch(failAll(middle))),
      ...(await runBatch(name, values.slice(middle), call, true, run).catch(failAll(values.length - middle))),
    ];
  }
}

/** What makes an item fail with whatever was thrown, which need not be an error. */
export class Failure {
  readonly reason: unknown;

  constructor(reason: unknown) {
    this.reason = reason;
  }
}

function resultsOf(name: string, wanted: number, returned: unknown): readonly unknown[] {
  if (!Array.isArray(returned)) throw new BatchLengthException(name, wanted, returned);
  if (returned.length !== wanted) throw new BatchLengthException(name, wanted, returned.length);
  return returned;
}

function asFailure(reason: unknown): unknown {
  return reason instanceof Error ? reason : new Failure(reason);
}

function failAll(count: number): (reason: unknown) => readonly unknown[] {
  return (reason) => Array.from({ length: count }, () => asFailure(reason));
}
