/** The exit code of a program that Ctrl-C ended. */
export const INTERRUPTED = 130;

/** Options of an {@link Interruption}. */
export interface InterruptionOptions {
  /** Ignore further Ctrl-C: ending at once would leave resources behind. Default false. */
  readonly isPatient?: boolean;
}

/**
 * Aborts its signal on Ctrl-C, on SIGTERM and when the terminal closes, until it is disposed. A second signal ends the process
 * at once.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #onSignal: () => void;

  /** @param message printed on the first signal */
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

  /** Whether an error was caused by this interruption. */
  caused(error: unknown): boolean {
    return this.signal.aborted && error === this.signal.reason;
  }

  /** Waits for work that cannot be aborted, or until the interruption, which throws the signal's reason. */
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
