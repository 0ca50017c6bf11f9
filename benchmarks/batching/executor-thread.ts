import { parentPort, workerData } from "node:worker_threads";
import { monotonicMs } from "./monotonic.ts";

/** A job for an executor's thread: to be busy until a time, in milliseconds of the monotonic clock. */
export interface Job {
  readonly untilMs: number;
}

/** The end of a job. */
export interface Done {
  /** The delay of the end, in milliseconds. */
  readonly errorMs: number;
}

/** The file of the thread's program: this one. */
export const EXECUTOR_THREAD = new URL(import.meta.url);

/** Marks the thread's program as an executor. */
export const EXECUTOR_ROLE = "synthetic executor";

/** The weight of one measurement of the oversleep in its moving average. */
const LEARNING_RATE = 0.1;
/** A longer oversleep is a disturbance of the machine, not a property of its timers. */
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
