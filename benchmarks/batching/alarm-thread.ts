import { parentPort, workerData } from "node:worker_threads";
import { monotonicMs } from "./monotonic.ts";

/** The file of the thread's program: this one. */
export const ALARM_THREAD = new URL(import.meta.url);

/** The data with which the thread starts. */
export interface AlarmData {
  readonly role: typeof ALARM_ROLE;
  /** The times of the alarms, in order, in milliseconds from the start. */
  readonly schedule: Float64Array;
  /** The start, in milliseconds of the monotonic clock. */
  readonly startedMs: number;
}

/** Marks the thread's program as an alarm. */
export const ALARM_ROLE = "alarm";

/** Alarms closer than this are merged. In milliseconds. */
const GRAIN_MS = 0.3;

/**
 * Raises alarms on a schedule. Timers of the event loop have a resolution of a millisecond, and busy waiting
 * would take a processor from the server; a sleeping thread is neither late nor busy.
 */
if ((workerData as AlarmData | null)?.role === ALARM_ROLE && parentPort !== null) {
  const { schedule, startedMs } = workerData as AlarmData;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  let rungMs = -Infinity;
  for (const dueMs of schedule) {
    if (dueMs <= rungMs) continue; // merged with the previous alarm
    const sleepMs = startedMs + dueMs - monotonicMs();
    if (sleepMs > 0) Atomics.wait(cell, 0, 0, Math.max(sleepMs, GRAIN_MS));
    rungMs = monotonicMs() - startedMs;
    parentPort.postMessage("due", []);
  }
}
