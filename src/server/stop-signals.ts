import type { Logger } from "pino";

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/**
 * What can make a server stop, and how urgently: the first call drains, the second cuts off, the third does not even
 * wait for teardown.
 */
export class StopSignals {
  /** Resolves when it is time to stop. */
  readonly first: Promise<void>;
  /** Resolves when it is time to stop waiting. */
  readonly second: Promise<void>;
  readonly #log: Logger;
  readonly #owned: boolean;
  readonly #outer: AbortSignal | undefined;
  #count = 0;
  #resolveFirst!: () => void;
  #resolveSecond!: () => void;

  constructor(handlesSignals: boolean, outer: AbortSignal | undefined, log: Logger) {
    this.#log = log;
    this.#owned = handlesSignals;
    this.#outer = outer;
    this.first = new Promise((resolve) => (this.#resolveFirst = resolve));
    this.second = new Promise((resolve) => (this.#resolveSecond = resolve));
    if (handlesSignals) for (const name of SIGNALS) process.on(name, this.#onSignal);
    if (outer?.aborted) this.#onAbort();
    else outer?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** A stop was asked for. */
  get stopping(): boolean {
    return this.#count > 0;
  }

  /** Asks for a stop from inside. */
  stop(why: string): void {
    this.#count++;
    if (this.#count === 1) {
      this.#log.info(`stopping: ${why}`);
      this.#resolveFirst();
    } else if (this.#count === 2) {
      this.#log.warn(`${why} again: what is still running is cut off`);
      this.#resolveSecond();
    } else if (this.#owned) {
      process.exit(1);
    }
  }

  dispose(): void {
    for (const name of SIGNALS) process.removeListener(name, this.#onSignal);
    this.#outer?.removeEventListener("abort", this.#onAbort);
  }

  readonly #onSignal = (name: NodeJS.Signals): void => this.stop(name);
  readonly #onAbort = (): void => {
    const reason: unknown = this.#outer?.reason;
    this.stop(typeof reason === "string" ? reason : "aborted");
  };
}
