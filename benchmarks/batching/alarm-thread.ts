import { parentPort, workerData } from "node:worker_threads";
import { monotonicMs } from "./monotonic.ts";

/** The file of the thread's program: this one. */
export const ALARM_THREAD = new URL(import.meta.url);

/** What the thread is started with. */
export interface AlarmData {
  readonly role: typeof ALARM_ROLE;
  /** When to ring, in order, in milliseconds from the start. */
  readonly schedule: Float64Array;
  /** The start, in milliseconds of the monotonic clock. */
  readonly startedMs: number;
}

/** By this the program knows that it runs as an alarm. */
export const ALARM_ROLE = "alarm";

/** Rings this near to each other are one. */
const GRAIN_MS = 0.3;

/**
 * Rings on a schedule. Timers of the event loop have a grain of a millisecond, and turning it until the time has come
 * would take a processor from the server; a thread that sleeps is neither late nor busy.
 */
if ((workerData as AlarmData | null)?.role === ALARM_ROLE && parentPort !== null) {
  const { schedule, startedMs } = workerData as AlarmData;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  let rungMs = -Infinity;
  for (const dueMs of schedule) {
    if (dueMs <= rungMs) continue; // that ring was late, or this is near it
    const sleepMs = startedMs + dueMs - monotonicMs();
    if (sleepMs > 0) Atomics.wait(cell, 0, 0, Math.max(sleepMs, GRAIN_MS));
    rungMs = monotonicMs() - startedMs;
    parentPort.postMessage("due", []);
  }
}
