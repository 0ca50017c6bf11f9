import { BatchItemErrors, BatchLengthException } from "../errors.ts";
import type { Job } from "./job.ts";
import type { SlotLease } from "./slots.ts";

/** The signal and the deadline of a run. */
export interface RunSignal {
  /** Aborts when no caller waits for a result of the run any more. Created at first access. */
  readonly signal: AbortSignal;
  /** The latest deadline of its jobs, on the dispatcher's clock; Infinity for no limit. */
  readonly finishBy: number;
  /** Sets a callback for callers that no longer wait for a result: cheaper than {@link signal}. */
  onLeave(listener: (index: number, reason: unknown) => void): void;
  /** Hands on the result of one value before the run ends. An `Error` or {@link Failure} fails that item. */
  handOn(index: number, result: unknown): void;
  /** Returns a value that was not begun to the queue, where it is the next. */
  putBack(index: number): void;
}

/** The dispatcher of a run. */
interface RunOwner<T> {
  handOn(job: Job<T>, result: unknown): void;
  putBack(job: Job<T>): void;
}

/** A running batch. It lasts until its executor has finished, even if all callers have left before. */
export class BatchRun<T> implements SlotLease, RunSignal {
  readonly jobs: readonly Job<T>[];
  readonly cost: number;
  readonly startedAt: number;
  readonly expectedEnd: number;
  endedAt = Infinity;
  /** Ends the watch for stalls of the process. Whether there were none. */
  isTrusted: () => boolean = () => true;
  readonly #owner: RunOwner<T>;
  /** Jobs that have left the run before its end. */
  #gone: Set<Job<T>> | undefined;
  #onLeave: ((index: number, reason: unknown) => void) | undefined;
  #wanted: number;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;

  constructor(
    owner: RunOwner<T>,
    jobs: readonly Job<T>[],
    { cost, startedAt, expectedMs }: { cost: number; startedAt: number; expectedMs: number },
  ) {
    this.#owner = owner;
    this.jobs = jobs;
    this.cost = cost;
    this.startedAt = startedAt;
    this.expectedEnd = startedAt + expectedMs;
    this.#wanted = jobs.length;
  }

  /** Number of jobs at the start. */
  get size(): number {
    return this.jobs.length;
  }

  /** Number of callers that still wait for their result. */
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

  onLeave(listener: (index: number, reason: unknown) => void): void {
    this.#onLeave = listener;
  }

  handOn(index: number, result: unknown): void {
    const job = this.#release(index);
    if (job !== undefined) this.#owner.handOn(job, result);
  }

  putBack(index: number): void {
    const job = this.#release(index);
    if (job !== undefined) this.#owner.putBack(job);
  }

  /** Whether a job still belongs to the run. */
  has(job: Job<T>): boolean {
    return this.#gone?.has(job) !== true;
  }

  #release(index: number): Job<T> | undefined {
    const job = this.jobs[index];
    if (job === undefined || !this.has(job)) return undefined;
    (this.#gone ??= new Set()).add(job);
    return job;
  }

  /** Records that the caller of a job has left. Aborts the run with the last one. */
  leave(job: Job<T>, reason: unknown): void {
    this.#onLeave?.(this.jobs.indexOf(job), reason);
    if (--this.#wanted > 0) return;
    this.#aborted = { reason };
    this.#controller?.abort(reason);
  }
}

/** Calls a batched method, which takes and returns arrays. */
export type CallBatch<T> = (values: readonly T[]) => unknown;

/**
 * Runs a batch. Returns one result for each item: a value, or the `Error` to answer that item with.
 * With `isolateErrors`, a batch that throws is run again in halves until only the faulty items fail.
 * @throws BatchLengthException if the number of results differs from the number of items; and the method's own error.
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

/** The result of a failed item, for a thrown value that is not an `Error`. */
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
