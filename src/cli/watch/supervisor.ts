import type { Worker } from "node:cluster";
import type { Logger } from "pino";

/** What a generation of a watched app tells its supervisor. */
export type GenerationMessage =
  | { readonly type: "imported"; readonly path: string }
  | { readonly type: "listening" }
  /** It could not start; a change of a file may help unless a port is the matter. */
  | { readonly type: "failed"; readonly code: string | undefined };

/** What the supervisor tells a generation. */
export interface SupervisorMessage {
  /** `cut`: without waiting for what runs. */
  readonly type: "stop" | "cut";
  /** For the log. */
  readonly why: string;
}

/** Set in the environment of every generation that replaces one: the banner has been shown. */
export const REPLACES = "SERVABLE_WATCH_REPLACES";

/** What a supervisor needs from outside. */
export interface SupervisorParts {
  readonly logger: Logger;
  /** Starts a process that serves the app; `replaces` when another has served before. */
  fork(replaces: boolean): Worker;
  /** Told of each file that a generation imported. */
  onImport(path: string): void;
}

/** A generation that never listened gets this long to end once it is not wanted any more, in milliseconds. */
const DISCARD_MS = 5_000;

/**
 * Keeps an app served while its files change. Each generation is a process that shares the port: the old one stops
 * only once the new one listens, and keeps serving when the new one can't.
 */
export class Supervisor {
  readonly #parts: SupervisorParts;
  readonly #all = new Set<Worker>();
  #serving: Worker | undefined;
  #starting: Worker | undefined;
  #hasServed = false;
  #stopping = false;
  #wasCut = false;
  #resolveEnd!: (exitCode: number) => void;
  /** Resolves with the exit code once the app has ended for good. */
  readonly ended: Promise<number>;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    this.ended = new Promise((resolve) => (this.#resolveEnd = resolve));
  }

  /** Starts a generation. It takes over once it listens; one that was still starting is dropped. */
  start(): void {
    if (this.#stopping) return;
    if (this.#starting !== undefined) this.#discard(this.#starting);
    const startedAt = performance.now();
    const worker = this.#parts.fork(this.#hasServed);
    let failure: string | undefined;
    this.#starting = worker;
    this.#all.add(worker);
    worker.on("message", (message: GenerationMessage) => {
      if (message.type === "imported") this.#parts.onImport(message.path);
      if (message.type === "failed") failure = message.code ?? "";
      if (message.type === "listening") this.#takeOver(worker, performance.now() - startedAt);
    });
    worker.on("error", (error) =>
      this.#parts.logger.debug({ err: error }, "talking to the app's process failed"),
    );
    worker.once("exit", (exitCode, signal) => {
      this.#all.delete(worker);
      this.#onExit(worker, exitCode ?? (signal === null ? 0 : 1), failure);
    });
  }

  /** Stops everything gracefully. */
  stop(): void {
    this.#stopping = true;
    for (const worker of this.#all) tell(worker, "the watch ends");
    if (this.#all.size === 0) this.#resolveEnd(0);
  }

  /** Cuts off what still runs. */
  cut(): void {
    this.#wasCut = true;
    for (const worker of this.#all) tell(worker, "the watch ends at once", "cut");
  }

  /** Ends everything on the spot. */
  kill(): void {
    for (const worker of this.#all) worker.process.kill("SIGKILL");
  }

  #takeOver(worker: Worker, ms: number): void {
    if (worker !== this.#starting) return; // a later change made it obsolete
    const old = this.#serving;
    this.#starting = undefined;
    this.#serving = worker;
    if (this.#hasServed) this.#parts.logger.info(`restarted in ${Math.round(ms)} ms`);
    this.#hasServed = true;
    if (old !== undefined) tell(old, "a newer version serves");
  }

  #onExit(worker: Worker, exitCode: number, failure: string | undefined): void {
    const { logger } = this.#parts;
    if (this.#stopping) {
      if (this.#all.size === 0) this.#resolveEnd(this.#wasCut ? 1 : 0);
    } else if (worker === this.#starting) {
      this.#starting = undefined;
      if (this.#serving !== undefined)
        logger.warn("the change is not in use; the last good version keeps serving");
      else if (failure === "PORT_UNAVAILABLE") this.#resolveEnd(exitCode);
      else logger.warn("waiting for a change");
    } else if (worker === this.#serving) {
      this.#serving = undefined;
      if (exitCode === 0 && this.#starting === undefined) this.#resolveEnd(0);
      else if (this.#starting === undefined)
        logger.error(`the app ended with code ${exitCode}; waiting for a change`);
    }
  }

  #discard(worker: Worker): void {
    tell(worker, "its files have changed again");
    setTimeout(() => {
      if (!worker.isDead()) worker.process.kill("SIGKILL");
    }, DISCARD_MS).unref();
  }
}

function tell(worker: Worker, why: string, type: SupervisorMessage["type"] = "stop"): void {
  const message: SupervisorMessage = { type, why };
  if (worker.isConnected()) worker.send(message);
}
