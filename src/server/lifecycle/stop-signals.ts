import type { Logger } from "pino";
import { SignalWatchdog } from "./signal-watchdog.ts";

/** Signals that stop a process: sent by a platform, by Ctrl-C, and by a terminal that is closed. */
const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
type StopSignal = (typeof STOP_SIGNALS)[number];

/** The sources of a stop. */
interface StopSources {
  /** The server handles the process's signals. */
  readonly handlesSignals: boolean;
  /** Requests a stop when it aborts. */
  readonly stop?: AbortSignal | undefined;
  /** Forces the stop when it aborts. */
  readonly force?: AbortSignal | undefined;
  /** Called before the third signal ends the process. */
  readonly onThird?: () => void;
}

/**
 * Decides when a server stops, and how urgently. The first signal starts a graceful stop. Platforms repeat SIGTERM, so
 * a second one changes nothing; a second SIGINT comes from a person and forces the stop. The third signal ends the
 * process immediately.
 */
export class StopSignals {
  /** Resolves when a stop is requested. */
  readonly requested: Promise<void>;
  /** Resolves when the stop is forced: nothing is waited for any more. */
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

  /** A stop was requested. */
  get stopping(): boolean {
    return this.#stopping;
  }

  /** From now on the third signal ends the process even while its event loop is busy. */
  watch(): void {
    if (!this.#sources.handlesSignals) return;
    this.#watchdog ??= new SignalWatchdog(STOP_SIGNALS, () =>
      this.#log.debug("a separate thread watches for signals"),
    );
  }

  /** Requests a stop from the program itself. Repeated requests change nothing. */
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
    // The system and the shell both send a signal when a terminal is closed.
    if (name === "SIGHUP" && this.#hungUp) return;
    this.#hungUp ||= name === "SIGHUP";
    this.#signals++;
    if (this.#signals >= 3) {
      this.#sources.onThird?.();
      process.exit(1);
    }
    // Without a watchdog, the system handles the third signal: it ends the process even if no JavaScript can run.
    const isWatched = this.#watchdog?.isWatching === true || this.#sources.onThird !== undefined;
    if (this.#signals === 2 && !isWatched) this.#letGo();
    if (name === "SIGINT" && ++this.#interrupts === 2) this.#onForce();
    else if (this.#stopping)
      this.#log.info(`received ${name} as well: the stop continues, a third signal ends the process`);
    else this.stop(name);
  };

  #letGo(): void {
    for (const name of STOP_SIGNALS) process.removeListener(name, this.#onSignal);
  }

  readonly #onAbort = (): void => {
    const reason: unknown = this.#sources.stop?.reason;
    this.stop(typeof reason === "string" ? reason : "stop requested");
  };

  readonly #onForce = (): void => {
    this.stop("forced stop");
    this.#log.warn("forced stop: aborting requests that are still running");
    this.#resolveForced();
  };
}

function onceAborted(signal: AbortSignal | undefined, listener: () => void): void {
  if (signal?.aborted === true) listener();
  else signal?.addEventListener("abort", listener, { once: true });
}
