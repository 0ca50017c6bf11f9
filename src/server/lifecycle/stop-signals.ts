import type { Logger } from "pino";
import { SignalWatchdog } from "./signal-watchdog.ts";

/** What stops a process that owns its signals: a platform, a terminal's Ctrl-C, and a terminal that is closed. */
export const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
type StopSignal = (typeof STOP_SIGNALS)[number];

/** What a stop comes from. */
export interface StopSources {
  /** The process's signals are the server's. */
  readonly handlesSignals: boolean;
  /** Stops when it aborts. */
  readonly stop?: AbortSignal | undefined;
  /** Cuts off when it aborts. */
  readonly force?: AbortSignal | undefined;
  /** Told of the third signal, before the process ends by it. */
  readonly onThird?: () => void;
}

/**
 * What makes a server stop, and how urgently. The first signal drains. Platforms repeat SIGTERM, so that a second one
 * changes nothing; a second SIGINT is a person who won't wait, and cuts off. The third signal ends the process, whatever
 * it does.
 */
export class StopSignals {
  /** Resolves when it is time to stop. */
  readonly requested: Promise<void>;
  /** Resolves when it is time to stop waiting. */
  readonly forced: Promise<void>;
  readonly #log: Logger;
  readonly #sources: StopSources;
  #watchdog: SignalWatchdog | undefined;
  #stopping = false;
  #signals = 0;
  #interrupts = 0;
  #hungUp = false;
  #resolveRequested!: () => void;
  #resolveForced!: () => void;

  constructor(sources: StopSources, log: Logger) {
    this.#log = log;
    this.#sources = sources;
    this.requested = new Promise((resolve) => (this.#resolveRequested = resolve));
    this.forced = new Promise((resolve) => (this.#resolveForced = resolve));
    if (sources.handlesSignals) for (const name of STOP_SIGNALS) process.on(name, this.#onSignal);
    onceAborted(sources.stop, this.#onAbort);
    onceAborted(sources.force, this.#onForce);
  }

  /** A stop was asked for. */
  get stopping(): boolean {
    return this.#stopping;
  }

  /** From now on the third signal ends the process even while its event loop is busy. */
  watch(): void {
    if (!this.#sources.handlesSignals) return;
    this.#watchdog ??= new SignalWatchdog(STOP_SIGNALS, () =>
      this.#log.debug("a thread is on watch for signals"),
    );
  }

  /** Asks for a stop from inside. A second time changes nothing. */
  stop(why: string): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#log.info(`stopping: ${why}`);
    this.#resolveRequested();
  }

  dispose(): void {
    this.#letGo();
    this.#watchdog?.dispose();
    this.#sources.stop?.removeEventListener("abort", this.#onAbort);
    this.#sources.force?.removeEventListener("abort", this.#onForce);
  }

  readonly #onSignal = (name: StopSignal): void => {
    // The system and the shell both tell of one terminal that was closed.
    if (name === "SIGHUP" && this.#hungUp) return;
    this.#hungUp ||= name === "SIGHUP";
    this.#signals++;
    if (this.#signals >= 3) {
      this.#sources.onThird?.();
      process.exit(1);
    }
    // Without a watchdog, the third is left to the system, which ends the process by it even if nothing here runs.
    const isWatched = this.#watchdog?.isWatching === true || this.#sources.onThird !== undefined;
    if (this.#signals === 2 && !isWatched) this.#letGo();
    if (name === "SIGINT" && ++this.#interrupts === 2) this.#onForce();
    else if (this.#stopping)
      this.#log.info(`${name} came, too: the stop goes on, a third signal ends the process`);
    else this.stop(name);
  };

  #letGo(): void {
    for (const name of STOP_SIGNALS) process.removeListener(name, this.#onSignal);
  }

  readonly #onAbort = (): void => {
    const reason: unknown = this.#sources.stop?.reason;
    this.stop(typeof reason === "string" ? reason : "told to stop");
  };

  readonly #onForce = (): void => {
    this.stop("told to stop at once");
    this.#log.warn("no more waiting: what is still running is cut off");
    this.#resolveForced();
  };
}

function onceAborted(signal: AbortSignal | undefined, listener: () => void): void {
  if (signal?.aborted === true) listener();
  else signal?.addEventListener("abort", listener, { once: true });
}
