import type { Logger } from "pino";

/** Maximum number of further errors that are logged: an error thrown in a loop would fill the disk. */
const MAX_LOGGED = 10;

/**
 * Handles uncaught errors, rejections included. Before the server has started, they end the process. Later they stop
 * the server gracefully: its memory may be corrupt, but running requests are answered.
 */
export class UncaughtErrors {
  readonly #log: Logger;
  #stop: ((why: string) => void) | undefined;
  #count = 0;

  constructor(log: Logger) {
    this.#log = log;
    process.on("uncaughtException", this.#onError);
  }

  /** Whether there were any. */
  get any(): boolean {
    return this.#count > 0;
  }

  /** From now on an uncaught error stops the server instead of ending the process. */
  drain(stop: (why: string) => void): void {
    this.#stop = stop;
  }

  dispose(): void {
    process.removeListener("uncaughtException", this.#onError);
  }

  readonly #onError = (error: unknown): void => {
    this.#count++;
    if (this.#stop === undefined) {
      this.#log.fatal({ err: error }, "uncaught error; the process ends");
      process.exit(1);
    }
    if (this.#count === 1) {
      this.#log.fatal({ err: error }, "uncaught error; the server stops");
      this.#stop("uncaught error");
    } else if (this.#count <= MAX_LOGGED) {
      this.#log.error({ err: error }, "another uncaught error while the server stops");
    }
  };
}
