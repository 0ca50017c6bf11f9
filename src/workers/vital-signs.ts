import { readFileSync } from "node:fs";

/** Interval between two checks of a worker, in milliseconds. */
export const CHECK_INTERVAL_MS = 1_000;
/** Number of checks between two pings of a worker. */
const CHECKS_BETWEEN_PINGS = 5;

/** The state of a worker that is checked. */
export interface WatchedWorker {
  readonly pid: number | undefined;
  /** The worker is set up and has no call, so it should answer a ping immediately. */
  readonly isIdle: boolean;
  /** Deadline of the running call, on the clock; Infinity if there is no call or no limit. */
  readonly finishBy: number;
  /** Sends a ping. {@link VitalSigns.answered} is called when it is answered. */
  ping(): void;
}

/**
 * Detects that a worker is stuck. There are three cases: its call has exceeded its deadline by the grace period; it has
 * no call and has not answered a ping for the grace period; the operating system has stopped it. A worker with a call
 * may be too busy to answer, so a missing answer does not mean that it is stuck.
 *
 * The time without an answer is counted in checks, each in a separate turn of the event loop. A clock would also count
 * time in which this process was blocked and could not receive answers.
 */
export class VitalSigns {
  readonly #graceMs: number;
  #checks = 0;
  /** Number of checks without an answer since the last ping; undefined if no answer is pending. */
  #silentChecks: number | undefined;
  #hadTurn = true;

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** Records that a message of the worker has arrived, such as the answer to a ping. */
  answered(): void {
    this.#silentChecks = undefined;
  }

  /** Checks a worker. Returns the reason why it is stuck, or undefined. */
  check(worker: WatchedWorker, now: number): string | undefined {
    const lateMs = now - worker.finishBy;
    if (lateMs >= this.#graceMs) return `its call is ${seconds(lateMs)} past its deadline`;
    if (!this.#hadTurn) return undefined;
    this.#hadTurn = false;
    setImmediate(() => (this.#hadTurn = true));
    if (this.#silentChecks === undefined) {
      if (++this.#checks % CHECKS_BETWEEN_PINGS !== 0) return undefined;
      this.#silentChecks = 0;
      worker.ping();
      return undefined;
    }
    if (++this.#silentChecks * CHECK_INTERVAL_MS < this.#graceMs) return undefined;
    if (worker.isIdle) return `it has not answered for ${seconds(this.#silentChecks * CHECK_INTERVAL_MS)}`;
    return isStopped(worker.pid) ? "the system has stopped it" : undefined;
  }
}

/**
 * Whether a signal has stopped a process. False on systems other than Linux, where finding out needs another process.
 */
function isStopped(pid: number | undefined): boolean {
  if (pid === undefined || process.platform !== "linux") return false;
  try {
    return /\) T /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false; // the process has ended meanwhile
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
