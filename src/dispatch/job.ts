/** Low-priority jobs only use capacity that normal ones leave. */
export type Priority = "normal" | "low";

/** The properties of a job when it is submitted. */
export interface JobRequest<T> {
  readonly value: T;
  /** Its share of a batch's cost limit, and of the time of a run. Default 1. */
  readonly cost?: number;
  /** Only jobs of the same group share a batch. */
  readonly group?: unknown;
  /** Default "normal". */
  readonly priority?: Priority;
  /** Memory it takes while queued. Default 0. */
  readonly bytes?: number;
  /** Arrival time, on the dispatcher's clock. Default: now. */
  readonly arrivedAt?: number;
  /** Deadline of the answer, on the dispatcher's clock. Default: none. */
  readonly finishBy?: number;
  /** Deadline of the start. Default: none. */
  readonly startBy?: number | undefined;
  /** Whether the caller set `startBy`. Default true. */
  readonly isCallersLimit?: boolean;
  /** Aborts when the answer is not needed any more. */
  readonly signal?: AbortSignal | undefined;
  /** Called when a deadline passes. Should abort the signal, so that a run in progress stops. */
  readonly onExpired?: ((reason: Error) => void) | undefined;
}

/** The run of a job. */
interface JobRun<T> {
  /** On the dispatcher's clock. */
  readonly startedAt: number;
  endedAt: number;
  /** The number of jobs at its start. */
  readonly size: number;
  /** Records that the caller of a job has left. */
  leave(job: Job<T>, reason: unknown): void;
}

/** A list of jobs that hold their neighbours. */
interface JobList<T> {
  remove(job: Job<T>): void;
}

/** A unit of work, from its arrival to its answer. */
export class Job<T> {
  readonly value: T;
  readonly cost: number;
  readonly group: unknown;
  readonly priority: Priority;
  readonly bytes: number;
  readonly arrivedAt: number;
  readonly finishBy: number;
  readonly startBy: number;
  readonly isCallersLimit: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onExpired: ((reason: Error) => void) | undefined;
  /** The caller's answer. */
  readonly answer: Promise<unknown>;
  /** Its last run. */
  run: JobRun<T> | undefined;
  /** Whether it belongs to that run still. */
  isRunning = false;
  /** Whether its run failed for a reason outside of the job, so that it runs once more, alone in a batch. */
  retried = false;
  /** Whether it was returned to the queue before it was begun, so that it is the next. */
  returned = false;
  /** The list that it is in, and its neighbours there: maintained by the list. */
  list: JobList<T> | undefined;
  next: Job<T> | undefined;
  previous: Job<T> | undefined;
  #settled = false;
  #resolve!: (value: unknown) => void;
  #reject!: (reason: unknown) => void;
  #release: (() => void) | undefined;

  constructor(request: JobRequest<T>, now: number) {
    this.value = request.value;
    this.cost = request.cost ?? 1;
    this.group = request.group;
    this.priority = request.priority ?? "normal";
    this.bytes = request.bytes ?? 0;
    this.arrivedAt = request.arrivedAt ?? now;
    this.finishBy = request.finishBy ?? Infinity;
    this.startBy = request.startBy ?? Infinity;
    this.isCallersLimit = request.isCallersLimit ?? true;
    this.signal = request.signal;
    this.onExpired = request.onExpired;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Whether its answer has resolved or rejected. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Latest useful start. The start deadline does not apply to a retried job, which has started in time once. */
  get lastStart(): number {
    return this.retried ? this.finishBy : Math.min(this.startBy, this.finishBy);
  }

  /** Registers a callback for when it is settled. */
  onSettled(release: () => void): void {
    this.#release = release;
  }

  /** Resolves the answer. False if it was settled already. */
  resolve(value: unknown): boolean {
    if (!this.#settle()) return false;
    this.#resolve(value);
    return true;
  }

  /** Rejects the answer. False if it was settled already. */
  reject(reason: unknown): boolean {
    if (!this.#settle()) return false;
    this.#reject(reason);
    return true;
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#release?.();
    return true;
  }
}
