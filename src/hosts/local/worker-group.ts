import { RequestCancelledException } from "../../errors.ts";
import { FunctionWorker, type FunctionWorkerParts, type Run } from "./function-worker.ts";

/** How many workers a function has, and how long. */
export interface WorkerGroupOptions {
  /** As many run at the same time; further calls wait for one to be free, first come, first served. */
  readonly maxWorkers: number;
  /** So long a worker that has nothing to do is kept, in milliseconds. */
  readonly keepAliveMs: number;
  /** A worker could not be set up. */
  onStartFailed(): void;
  readonly worker: Omit<FunctionWorkerParts, "onReady" | "onIdle" | "onEnd" | "onLog">;
}

/** The workers of one function. They are started when they are needed, and kept for a while. */
export class WorkerGroup {
  readonly #options: WorkerGroupOptions;
  readonly #workers = new Set<FunctionWorker>();
  /** Ready and without a run; the last one in is the first one out, so that the others can be let go. */
  readonly #idle: { readonly worker: FunctionWorker; readonly timer: NodeJS.Timeout }[] = [];
  readonly #waiting: Run[] = [];
  readonly #running = new Map<Run, FunctionWorker>();
  #starting = 0;

  constructor(options: WorkerGroupOptions) {
    this.#options = options;
  }

  /** Starts a run, as soon as there is a worker for it. Its end is told to the run. */
  run(run: Run): void {
    this.#waiting.push(run);
    this.#hand();
  }

  /** Ends a run for its caller: at once, whether it waits or is running. */
  cancel(run: Run, reason: unknown = new RequestCancelledException()): void {
    const worker = this.#running.get(run);
    if (worker !== undefined) return worker.cancel(run, reason);
    const place = this.#waiting.indexOf(run);
    if (place === -1) return;
    this.#waiting.splice(place, 1);
    run.reject(reason);
    this.#letGoOfStarts();
  }

  /** Ends every worker at once; what runs or waits is rejected. */
  close(reason: unknown): void {
    for (const run of this.#waiting.splice(0)) run.reject(reason);
    for (const [run, worker] of this.#running) worker.cancel(run, reason);
    for (const worker of this.#workers) worker.kill();
  }

  #hand(): void {
    while (this.#waiting.length > 0) {
      const free = this.#idle.pop();
      if (free === undefined) break;
      clearTimeout(free.timer);
      const run = this.#waiting.shift() as Run;
      this.#running.set(run, free.worker);
      free.worker.run(run);
    }
    const missing = Math.min(
      this.#waiting.length - this.#starting,
      this.#options.maxWorkers - this.#workers.size,
    );
    for (let count = 0; count < missing; count++) this.#start();
  }

  #start(): void {
    this.#starting++;
    const worker = new FunctionWorker({
      ...this.#options.worker,
      onReady: (ready) => {
        this.#starting--;
        this.#rest(ready);
      },
      onIdle: (idle) => {
        this.#forget(idle);
        this.#rest(idle);
      },
      onEnd: (ended, reason) => this.#onEnd(ended, reason),
      // What is printed while a worker starts belongs to whoever waits for it.
      onLog: (entry) => (this.#waiting[0] ?? [...this.#running.keys()][0])?.onLog(entry),
    });
    this.#workers.add(worker);
  }

  #rest(worker: FunctionWorker): void {
    const timer = setTimeout(() => this.#dismiss(worker), this.#options.keepAliveMs);
    timer.unref();
    this.#idle.push({ worker, timer });
    this.#hand();
  }

  #dismiss(worker: FunctionWorker): void {
    this.#leaveIdle(worker);
    this.#workers.delete(worker);
    worker.stop();
  }

  /** Nobody waits any more for what is being started: it must not keep this process. */
  #letGoOfStarts(): void {
    if (this.#waiting.length > 0) return;
    for (const worker of this.#workers) if (!worker.wasReady) worker.release();
  }

  #onEnd(worker: FunctionWorker, reason: unknown): void {
    this.#workers.delete(worker);
    this.#leaveIdle(worker);
    this.#forget(worker);
    if (!worker.wasReady) {
      this.#starting--;
      this.#options.onStartFailed();
      // The next one would fail in the same way; others that run show that it can be done.
      if (this.#workers.size === 0) for (const run of this.#waiting.splice(0)) run.reject(reason);
    }
    this.#hand();
  }

  #leaveIdle(worker: FunctionWorker): void {
    const place = this.#idle.findIndex((idle) => idle.worker === worker);
    if (place === -1) return;
    clearTimeout(this.#idle[place]?.timer);
    this.#idle.splice(place, 1);
  }

  #forget(worker: FunctionWorker): void {
    for (const [run, its] of this.#running) if (its === worker) this.#running.delete(run);
  }
}
