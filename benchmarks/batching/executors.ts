import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { EXECUTOR_ROLE, EXECUTOR_THREAD, type Done, type Job } from "./executor-thread.ts";
import type { Report } from "./item.ts";
import { monotonicMs } from "./monotonic.ts";
import { SeededRandom } from "../lib/random.ts";
import { batchCost, type Shape } from "./shape.ts";

/** The parameters of synthetic executors. */
export interface ExecutorsOptions {
  readonly shape: Shape;
  /** The maximum number of concurrent batches. */
  readonly count: number;
  /** Deviation of the log-normal noise on costs, as a share; 0 for none. */
  readonly noise: number;
}

/**
 * Executors whose batches take `a + b·n` milliseconds from the call. Each is a sleeping thread, so that neither a
 * processor nor the caller's event loop is busy during a batch, as with a graphics card.
 */
export class SyntheticExecutors {
  readonly #options: ExecutorsOptions;
  readonly #free: Worker[];
  readonly #waiting: ((thread: Worker) => void)[] = [];
  readonly #random = new SeededRandom(7);
  readonly #batches: Report["batches"] = [];
  #overcommitted = 0;
  #factor = 1;

  private constructor(options: ExecutorsOptions, threads: Worker[]) {
    this.#options = options;
    this.#free = threads;
  }

  static async start(options: ExecutorsOptions): Promise<SyntheticExecutors> {
    const threads = Array.from(
      { length: options.count },
      () => new Worker(EXECUTOR_THREAD, { workerData: EXECUTOR_ROLE }),
    );
    await Promise.all(threads.map((thread) => once(thread, "online")));
    for (const thread of threads) thread.unref();
    return new SyntheticExecutors(options, threads);
  }

  /** Multiplies the cost of all later batches by a factor. */
  set factor(factor: number) {
    this.#factor = factor;
  }

  /** Runs for the time that a batch of this size takes. */
  async run(size: number): Promise<void> {
    const thread = this.#free.pop() ?? (await this.#nextFree());
    const startedMs = monotonicMs();
    const { shape, noise } = this.#options;
    const cost = batchCost(shape, size) * this.#factor * (noise > 0 ? this.#random.logNormal(noise) : 1);
    const done = new Promise<Done>((resolve) => thread.once("message", resolve));
    thread.postMessage({ untilMs: startedMs + cost } satisfies Job, []);
    const { errorMs } = await done;
    this.#batches.push({ startedMs, size, errorMs });
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(thread);
    else next(thread);
  }

  report(): Report {
    return { nowMs: monotonicMs(), batches: this.#batches, overcommitted: this.#overcommitted };
  }

  #nextFree(): Promise<Worker> {
    this.#overcommitted++;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
