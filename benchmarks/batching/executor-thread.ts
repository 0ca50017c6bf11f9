import { parentPort, workerData } from "node:worker_threads";
import { monotonicMs } from "./monotonic.ts";

/** Work for an executor's thread: to be busy until a time, in milliseconds of the monotonic clock. */
export interface Job {
  readonly untilMs: number;
}

/** The thread is done. */
export interface Done {
  /** By how much later than it should, in milliseconds. */
  readonly errorMs: number;
}

/** The file of the thread's program: this one. */
export const EXECUTOR_THREAD = new URL(import.meta.url);

/** By this the program knows that it runs as an executor's thread. */
export const EXECUTOR_ROLE = "synthetic executor";

/** How much one measurement of the oversleep says about the next. */
const LEARNING_RATE = 0.1;
/** A longer oversleep was the machine's bad moment, and no habit of its timers. */
const USUAL_OVERSLEEP_MS = 0.5;

if (workerData === EXECUTOR_ROLE && parentPort !== null) {
  const port = parentPort;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  let oversleepMs = 0.1;
  port.on("message", ({ untilMs }: Job) => {
    const sleepMs = untilMs - oversleepMs - monotonicMs();
    if (sleepMs > 0) Atomics.wait(cell, 0, 0, sleepMs);
    const errorMs = monotonicMs() - untilMs;
    if (errorMs < USUAL_OVERSLEEP_MS) oversleepMs = Math.max(0, oversleepMs + LEARNING_RATE * errorMs);
    port.postMessage({ errorMs } satisfies Done);
  });
}
