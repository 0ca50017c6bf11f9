import type { Worker } from "node:cluster";
import type { Logger } from "pino";

/** A message from a generation of a watched app to its supervisor. */
export type GenerationMessage =
  | { readonly type: "imported"; readonly path: string }
  | { readonly type: "listening" }
  /** Starting failed. A changed file may fix it, unless the port is in use. */
  | { readonly type: "failed"; readonly code: string | undefined };

/** A message from the supervisor to a generation. */
export interface SupervisorMessage {
  /** `cut`: without waiting for running requests. */
  readonly type: "stop" | "cut";
  /** For the log. */
  readonly why: string;
}

/** An environment variable, set for every generation but the first: the banner is shown once. */
export const REPLACES = "SERVABLE_WATCH_REPLACES";

/** Dependencies of a supervisor. */
export interface SupervisorParts {
  readonly logger: Logger;
  /** Starts a process that serves the app. `replaces`: another has served before. */
  fork(replaces: boolean): Worker;
  /** Called with each file that a generation imported. */
  onImport(path: string): void;
}

/** Time for a discarded generation to end before it is killed, in ms. */
const DISCARD_MS = 5_000;

/**
 * Keeps an app served while its files change. Each generation is a process that shares the port. The old one stops once the new
 * one listens, and keeps serving if the new one fails.
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
  /** Resolves to the exit code once the app has ended. */
  readonly ended: Promise<number>;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    this.ended = new Promise((resolve) => (this.#resolveEnd = resolve));
  }

  /** Starts a generation, which takes over once it listens. One that is still starting is discarded. */
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

  /** Aborts running requests. */
  cut(): void {
    this.#wasCut = true;
    for (const worker of this.#all) tell(worker, "the watch ends at once", "cut");
  }

  /** Kills all processes. */
  kill(): void {
    for (const worker of this.#all) worker.process.kill("SIGKILL");
  }

  #takeOver(worker: Worker, ms: number): void {
    if (worker !== this.#starting) return; // A later generation replaced it.
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
