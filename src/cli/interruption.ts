/** What a shell reports of a program that Ctrl-C ended. */
export const INTERRUPTED = 130;

/** Aborts its signal at Ctrl-C and SIGTERM, as long as it is not disposed; a second one ends the process at once. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #onSignal: () => void;

  /** @param message shown when it happens */
  constructor(message: string) {
    this.#onSignal = () => {
      if (this.signal.aborted) process.exit(INTERRUPTED);
      process.stderr.write(`${message}\n`);
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

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.off(name, this.#onSignal);
  }
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
