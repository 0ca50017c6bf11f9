import { constants } from "node:os";
import { Worker } from "node:worker_threads";

/** So long a process may take to end by itself after the third signal, in milliseconds. */
const PATIENCE_MS = 500;

/**
 * Counts a process's signals in a thread of its own, and ends the process after the third: while the event loop is busy,
 * nobody else sees them. Node lets no thread but the main one listen to signals by its public means, though each
 * thread's loop can; so this asks for the means that Node itself uses. Where it is refused them there is no watchdog.
 */
export class SignalWatchdog {
  readonly #thread: Worker | undefined;
  #isWatching = false;

  /** @param onWatching told once it sees signals */
  constructor(signals: readonly NodeJS.Signals[], onWatching: () => void) {
    const numbers = signals.map((name) => constants.signals[name]);
    try {
      this.#thread = new Worker(PROGRAM, {
        eval: true,
        name: "signal watchdog",
        workerData: { numbers, hangup: constants.signals.SIGHUP, patienceMs: PATIENCE_MS },
        execArgv: ["--expose-internals", "--no-warnings"],
        env: {}, // no NODE_OPTIONS: what they load is not for this thread
        resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16, stackSizeMb: 1 },
      });
    } catch {
      return;
    }
    this.#thread.on("message", () => {
      this.#isWatching = true;
      onWatching();
    });
    this.#thread.on("error", () => (this.#isWatching = false));
    this.#thread.unref();
  }

  /** Whether it sees signals. */
  get isWatching(): boolean {
    return this.#isWatching;
  }

  dispose(): void {
    this.#isWatching = false;
    void this.#thread?.terminate();
  }
}

/** Plain JavaScript: a thread can't be given TypeScript. Several SIGHUPs count as one, as they do to the process. */
const PROGRAM = `
"use strict";
const { parentPort, workerData } = require("node:worker_threads");
const { Signal } = require("internal/test/binding").internalBinding("signal_wrap");
let count = 0;
let hungUp = false;
for (const number of workerData.numbers) {
  const signal = new Signal();
  signal.onsignal = () => {
    if (number === workerData.hangup && hungUp) return;
    hungUp ||= number === workerData.hangup;
    if (++count === 3) setTimeout(() => process.kill(process.pid, "SIGKILL"), workerData.patienceMs);
  };
  if (signal.start(number) !== 0) throw new Error("no signals here");
}
parentPort.postMessage("on watch");
`;
