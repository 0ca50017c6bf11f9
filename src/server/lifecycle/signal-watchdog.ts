import { constants } from "node:os";
import { Worker } from "node:worker_threads";

/** Time that a process has to end by itself after the third signal, in ms. */
const PATIENCE_MS = 500;

/**
 * Counts a process's signals in a separate thread and ends the process after the third: a busy event loop would not see
 * them. Node's public API lets only the main thread listen to signals, though each thread's event loop can, so this
 * uses Node's internal binding. If that is unavailable, there is no watchdog.
 */
export class SignalWatchdog {
  readonly #thread: Worker | undefined;
  #isWatching = false;

  /** @param onWatching called once it receives signals */
  constructor(signals: readonly NodeJS.Signals[], onWatching: () => void) {
    const numbers = signals.map((name) => constants.signals[name]);
    try {
      this.#thread = new Worker(PROGRAM, {
        eval: true,
        name: "signal watchdog",
        workerData: { numbers, hangup: constants.signals.SIGHUP, patienceMs: PATIENCE_MS },
        execArgv: ["--expose-internals", "--no-warnings"],
        env: {}, // without NODE_OPTIONS, whose modules are not for this thread
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

  /** Whether it receives signals. */
  get isWatching(): boolean {
    return this.#isWatching;
  }

  dispose(): void {
    this.#isWatching = false;
    void this.#thread?.terminate();
  }
}

/** Plain JavaScript: a thread can't run TypeScript. Several SIGHUPs count as one, as in the process. */
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
