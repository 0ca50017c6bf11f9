/** Low work fills only what room normal work leaves. */
export type Priority = "normal" | "low";

/** What is known of a piece of work when it is handed in. */
export interface JobRequest<T> {
  readonly value: T;
  /** What it counts for against the batch's cost budget, and in the time a run takes. Default 1. */
  readonly cost?: number;
  /** Only work of one group goes into one batch. */
  readonly group?: unknown;
  /** Default "normal". */
  readonly priority?: Priority;
  /** What it holds in memory while it waits. Default 0. */
  readonly bytes?: number;
  /** When it came in, on the dispatcher's clock. Default: now. */
  readonly arrivedAt?: number;
  /** It has to be answered by then, on the dispatcher's clock. Default: never. */
  readonly finishBy?: number;
  /** It has to be running by then. Default: never. */
  readonly startBy?: number | undefined;
  /** Whether `startBy` is the caller's own wish. Default true. */
  readonly isCallersLimit?: boolean;
  /** Aborts when nobody wants the answer any more. */
  readonly signal?: AbortSignal | undefined;
  /** Told when time runs out: should abort the signal, so that a run in progress learns of it. */
  readonly onExpired?: ((reason: Error) => void) | undefined;
}

/** A piece of work between its arrival and its answer. */
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
  /** When its run started and ended, on the dispatcher's clock, and how many were in it. */
  run: { readonly startedAt: number; endedAt: number; readonly size: number } | undefined;
  /** Its run ended in a way that was not its fault; it has one more chance, in a batch of its own. */
  retried = false;
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

  /** It has been answered, one way or the other. */
  get settled(): boolean {
    return this.#settled;
  }

  /** The moment after which starting it is of no use. One that runs again has been started in time. */
  get lastStart(): number {
    return this.retried ? this.finishBy : Math.min(this.startBy, this.finishBy);
  }

  /** What has to be freed once it is answered. */
  onSettled(release: () => void): void {
    this.#release = release;
  }

  /** Answers it, unless it has been. */
  resolve(value: unknown): boolean {
    if (!this.#settle()) return false;
    this.#resolve(value);
    return true;
  }

  /** Fails it, unless it has been answered. */
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
