import type { Logger } from "pino";

/** Further errors after the first are logged up to so many: what throws in a loop would fill the disk. */
const MAX_LOGGED = 10;

/**
 * What nobody caught, rejections included. Before the server is up it ends the process. After that it stops the server:
 * what its memory holds is not known any more, but requests that run are answered.
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

  /** From now on there is something to drain. */
  drain(stop: (why: string) => void): void {
    this.#stop = stop;
  }

  dispose(): void {
    process.removeListener("uncaughtException", this.#onError);
  }

  readonly #onError = (error: unknown): void => {
    this.#count++;
    if (this.#stop === undefined) {
      this.#log.fatal({ err: error }, "an error that nobody caught; the process ends");
      process.exit(1);
    }
    if (this.#count === 1) {
      this.#log.fatal({ err: error }, "an error that nobody caught; the server stops");
      this.#stop("an error that nobody caught");
    } else if (this.#count <= MAX_LOGGED) {
      this.#log.error({ err: error }, "one more error that nobody caught, while the server stops");
    }
  };
}
