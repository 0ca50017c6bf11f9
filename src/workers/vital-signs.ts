import { readFileSync } from "node:fs";

/** How often workers are checked, in milliseconds. */
export const LOOK_MS = 1_000;
/** Number of checks between two pings of a worker. */
const LOOKS_BETWEEN_PINGS = 5;

/** The state of a worker that is checked. */
export interface WatchedWorker {
  readonly pid: number | undefined;
  /** It is set up, has nothing to do, and should answer at once. */
  readonly isIdle: boolean;
  /** When its call should have been answered, by the clock; Infinity for no limit, and without a call. */
  readonly finishBy: number;
  /** Asks for an answer, after which {@link VitalSigns.answered} is called. */
  ping(): void;
}

/**
 * Tells when a worker is stuck: its call is past its deadline by the grace, it has nothing to do and does not answer
 * for as long, or the system has stopped it. A worker that computes does not answer either, so that silence alone says
 * nothing of one that has a call.
 *
 * Silence is counted in looks, each in a turn of its own of the event loop, not in time: when this process itself had
 * no turn, nobody could have been heard.
 */
export class VitalSigns {
  readonly #graceMs: number;
  #looks = 0;
  /** Looks without an answer since the last ping; undefined when none is awaited. */
  #silentLooks: number | undefined;
  #hadTurn = true;

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** The worker has answered a ping, or said anything else. */
  answered(): void {
    this.#silentLooks = undefined;
  }

  /** Looks at a worker; says why it is stuck, if it is. */
  look(worker: WatchedWorker, now: number): string | undefined {
    const lateMs = now - worker.finishBy;
    if (lateMs >= this.#graceMs) return `its call is ${seconds(lateMs)} past its deadline`;
    if (!this.#hadTurn) return undefined;
    this.#hadTurn = false;
    setImmediate(() => (this.#hadTurn = true));
    if (this.#silentLooks === undefined) {
      if (++this.#looks % LOOKS_BETWEEN_PINGS !== 0) return undefined;
      this.#silentLooks = 0;
      worker.ping();
      return undefined;
    }
    if (++this.#silentLooks * LOOK_MS < this.#graceMs) return undefined;
    if (worker.isIdle) return `it has not answered for ${seconds(this.#silentLooks * LOOK_MS)}`;
    return isStopped(worker.pid) ? "the system has stopped it" : undefined;
  }
}

/** Whether a signal has stopped a process. Only Linux says so without asking another process. */
function isStopped(pid: number | undefined): boolean {
  if (pid === undefined || process.platform !== "linux") return false;
  try {
    return /\) T /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false; // it has ended meanwhile
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
