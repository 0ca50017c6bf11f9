import { RequestCancelledException } from "../../errors.ts";
import { LONGEST_TIMER_MS } from "../../processes/timers.ts";
import { cannotStart } from "./worker-end.ts";
import { FunctionWorker, type FunctionWorkerParts, type Run } from "./function-worker.ts";

/** Options of a {@link WorkerGroup}. */
export interface WorkerGroupOptions {
  /** Maximum number of workers; further calls wait for a free one in order of arrival. */
  readonly maxWorkers: number;
  /** Time for which an idle worker is kept, in milliseconds. */
  readonly keepAliveMs: number;
  /** Called when a worker could not be set up. */
  onStartFailed(): void;
  /** Called before the first worker is started. */
  onFirstWorker(group: WorkerGroup): void;
  /** Called when the last worker has ended. */
  onLastWorkerEnded(group: WorkerGroup): void;
  readonly worker: Omit<FunctionWorkerParts, "onReady" | "onIdle" | "onEnd" | "onLog">;
}

/** The workers of one function. They are started on demand and kept for some time after a run. */
export class WorkerGroup {
  readonly #options: WorkerGroupOptions;
  readonly #workers = new Set<FunctionWorker>();
  /**
   * Ready workers without a run, as a stack, so that the workers at the bottom reach the end of their keep-alive time.
   */
  readonly #idle: { readonly worker: FunctionWorker; readonly timer: NodeJS.Timeout }[] = [];
  readonly #waiting: Run[] = [];
  readonly #running = new Map<Run, FunctionWorker>();
  readonly #onIdle: (() => void)[] = [];
  /** Workers that were killed but have not ended yet, each with a callback for its end. */
  readonly #leaving = new Map<FunctionWorker, () => void>();
  #starting = 0;
  /** A timer that keeps this process alive while runs wait. */
  #keeper: NodeJS.Timeout | undefined;
  /** Whether the last start failed while other workers run. */
  #hasStartFailed = false;

  constructor(options: WorkerGroupOptions) {
    this.#options = options;
  }

  /** Starts a run as soon as there is a worker for it. The run's own callbacks report its end. */
  run(run: Run): void {
    this.#waiting.push(run);
    this.#hand();
  }

  /**
   * Starts a run as soon as there is a worker for it, and cancels it when the signal aborts. Resolves to its result.
   * @throws the error of the run, or the signal's reason
   */
  call(request: Omit<Run, "resolve" | "reject">, signal: AbortSignal | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const unlistened = (settle: (outcome: unknown) => void) => (outcome: unknown) => {
        signal?.removeEventListener("abort", cancel);
        settle(outcome);
      };
      const run: Run = { ...request, resolve: unlistened(resolve), reject: unlistened(reject) };
      const cancel = (): void => this.cancel(run, signal?.reason);
      signal?.addEventListener("abort", cancel, { once: true });
      this.run(run);
    });
  }

  /** Cancels a waiting or running run: its caller's promise rejects immediately. */
  cancel(run: Run, reason: unknown = new RequestCancelledException()): void {
    const worker = this.#running.get(run);
    if (worker !== undefined) return worker.cancel(run, reason);
    const place = this.#waiting.indexOf(run);
    if (place === -1) return;
    this.#waiting.splice(place, 1);
    run.reject(reason);
    this.#keepProcess();
  }

  /** Kills all workers, and rejects running and waiting runs. Resolves when all workers have ended. */
  async close(reason: unknown): Promise<void> {
    for (const run of this.#waiting.splice(0)) run.reject(reason);
    this.#keepProcess();
    for (const [run, worker] of this.#running) worker.cancel(run, reason);
    for (const { timer } of this.#idle.splice(0)) clearTimeout(timer);
    const ends = [...this.#workers].map((worker) => this.#left(worker));
    for (const worker of this.#workers) worker.kill();
    await Promise.all(ends);
  }

  /** Resolves when a killed worker has ended. May be called several times for one worker. */
  #left(worker: FunctionWorker): Promise<void> {
    const tellOthers = this.#leaving.get(worker);
    return new Promise((resolve) => {
      this.#leaving.set(worker, () => {
        tellOthers?.();
        resolve();
      });
    });
  }

  /** Resolves when no run is in progress, not even a cancelled one. */
  async idle(): Promise<void> {
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #hand(): void {
    this.#handOut();
    this.#startMissing();
    this.#keepProcess();
  }

  #handOut(): void {
    while (this.#waiting.length > 0) {
      const free = this.#idle.pop();
      if (free === undefined) break;
      clearTimeout(free.timer);
      const run = this.#waiting.shift() as Run;
      this.#running.set(run, free.worker);
      free.worker.run(run);
    }
  }

  #startMissing(): void {
    if (this.#hasStartFailed) return;
    const missing = Math.min(
      this.#waiting.length - this.#starting,
      this.#options.maxWorkers - this.#workers.size,
    );
    for (let count = 0; count < missing; count++) this.#start();
  }

  #start(): void {
    if (this.#workers.size === 0) this.#options.onFirstWorker(this);
    this.#starting++;
    try {
      const worker = this.#createWorker();
      this.#workers.add(worker);
      // Only a running worker keeps this process alive; until then, the waiting runs do.
      worker.hold(false);
    } catch (error) {
      // The system has reached its limit of processes or files.
      this.#onStartFailed(cannotStart(this.#options.worker.functionName, error));
    }
  }

  #createWorker(): FunctionWorker {
    return new FunctionWorker({
      ...this.#options.worker,
      onReady: (ready) => {
        this.#starting--;
        this.#rest(ready);
      },
      onIdle: (idle) => {
        this.#hasStartFailed = false;
        this.#forget(idle);
        this.#rest(idle);
      },
      onEnd: (ended, reason) => this.#onEnd(ended, reason),
      // The output of a starting worker goes to the first run that waits for it.
      onLog: (entry) => (this.#waiting[0] ?? [...this.#running.keys()][0])?.onLog(entry),
    });
  }

  #rest(worker: FunctionWorker): void {
    if (this.#leaving.has(worker)) return;
    const timer = setTimeout(() => this.#dismiss(worker), this.#options.keepAliveMs);
    timer.unref();
    this.#idle.push({ worker, timer });
    this.#hand();
  }

  #dismiss(worker: FunctionWorker): void {
    this.#leaveIdle(worker);
    worker.stop();
  }

  /** Waiting runs keep this process alive: starting and idle workers do not. */
  #keepProcess(): void {
    if (this.#waiting.length > 0) this.#keeper ??= setInterval(() => {}, LONGEST_TIMER_MS);
    else {
      clearInterval(this.#keeper);
      this.#keeper = undefined;
    }
  }

  #onEnd(worker: FunctionWorker, reason: unknown): void {
    this.#workers.delete(worker);
    this.#leaveIdle(worker);
    this.#forget(worker);
    // The end of a worker that was killed on purpose does not mean that the next start fails, so new workers are
    // started for the waiting runs.
    const isLeaving = this.#leaving.has(worker);
    if (worker.wasReady || isLeaving) this.#hasStartFailed = false;
    if (!worker.wasReady && isLeaving) this.#starting--;
    else if (!worker.wasReady) this.#onStartFailed(reason);
    this.#leaving.get(worker)?.();
    this.#leaving.delete(worker);
    this.#hand();
    if (this.#workers.size === 0) this.#options.onLastWorkerEnded(this);
  }

  /**
   * Assumes that the next start would fail too: waiting runs wait for the running workers, or are rejected if there are
   * none.
   */
  #onStartFailed(reason: unknown): void {
    this.#starting--;
    this.#hasStartFailed = this.#workers.size > 0;
    this.#options.onStartFailed();
    if (!this.#hasStartFailed) for (const run of this.#waiting.splice(0)) run.reject(reason);
  }

  #leaveIdle(worker: FunctionWorker): void {
    const place = this.#idle.findIndex((idle) => idle.worker === worker);
    if (place === -1) return;
    clearTimeout(this.#idle[place]?.timer);
    this.#idle.splice(place, 1);
  }

  #forget(worker: FunctionWorker): void {
    for (const [run, its] of this.#running) if (its === worker) this.#running.delete(run);
    if (this.#running.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }
}
