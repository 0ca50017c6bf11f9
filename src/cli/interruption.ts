/** What a shell reports of a program that Ctrl-C ended. */
export const INTERRUPTED = 130;

/** How an {@link Interruption} takes what comes after the first Ctrl-C. */
export interface InterruptionOptions {
  /** Further ones change nothing: to leave at once would leave behind what is just being ended. Default false. */
  readonly isPatient?: boolean;
}

/**
 * Aborts its signal at Ctrl-C, SIGTERM and when the terminal is closed, as long as it is not disposed; a second one ends the
 * process at once.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #onSignal: () => void;

  /** @param message shown when it happens, if there is one */
  constructor(message?: string, { isPatient = false }: InterruptionOptions = {}) {
    this.#onSignal = () => {
      if (this.signal.aborted) return isPatient ? undefined : process.exit(INTERRUPTED);
      if (message !== undefined) process.stderr.write(`${message}\n`);
      this.#controller.abort();
    };
    for (const name of SIGNALS) process.on(name, this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether this is what an error came of. */
  caused(error: unknown): boolean {
    return this.signal.aborted && error === this.signal.reason;
  }

  /** What comes of work that can't be stopped, unless it is interrupted first: then the signal's reason is thrown. */
  async orStop<T>(work: Promise<T>): Promise<T> {
    const { signal } = this;
    let stop = (): void => {};
    const stopped = new Promise<never>((_resolve, reject) => {
      stop = () => reject(signal.reason as Error);
      signal.addEventListener("abort", stop, { once: true });
      if (signal.aborted) stop();
    });
    try {
      return await Promise.race([work, stopped]);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.off(name, this.#onSignal);
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
