import type { LogEntry } from "../../log-entry.ts";
import type { RunnerEnding } from "../engines/engine.ts";
import type { Engines } from "../engines/engines.ts";
import type { LiveApp } from "./live-app.ts";
import type { LiveRunner } from "./live-runner.ts";
import type { RunnerLives } from "./runner-lives.ts";

/** Callbacks for the caller of a run. */
export interface RunHooks {
  /** Called with each line of its preparation. */
  readonly onLog: (entry: LogEntry) => void;
  /** Called with each runner that is started for it. */
  readonly onRunner: (runner: LiveRunner) => void;
  /** Called once, when it takes requests. */
  readonly onReady: () => void;
  /** Called once if the platform ends it: the reason, for people. */
  readonly onFailure: (reason: string) => void;
}

/** The parts of the scheduler that runs use. */
interface RunsParts {
  readonly lives: RunnerLives;
  readonly engines: Engines;
  /** Lets requests find no app of this name any more. */
  readonly remove: (app: LiveApp) => void;
}

/**
 * Apps without a deployment, such as functions that a program calls: each belongs to one caller, and ends when this caller
 * leaves, or one of its runners fails. No record of the database leads to them.
 */
export class Runs {
  readonly #parts: RunsParts;
  readonly #running = new Map<LiveApp, RunHooks>();
  /** Runs whose last runners are ending. */
  readonly #ending = new Set<LiveApp>();
  readonly #ready = new WeakSet<LiveApp>();

  constructor(parts: RunsParts) {
    this.#parts = parts;
  }

  /** Takes over an app, which no caller had before. */
  begin(app: LiveApp, hooks: RunHooks): void {
    this.#running.set(app, hooks);
  }

  /** Whether a run has this name now. */
  has(environment: string, name: string): boolean {
    return [...this.#running.keys()].some(({ row }) => row.environment === environment && row.name === name);
  }

  /** A runner was started. */
  started(app: LiveApp, runner: LiveRunner): void {
    this.#running.get(app)?.onRunner(runner);
  }

  /** A runner takes requests. */
  ready(app: LiveApp): void {
    if (this.#ready.has(app)) return;
    this.#ready.add(app);
    this.#running.get(app)?.onReady();
  }

  /** A runner has ended. One that fails ends its run: its caller knows best whether to try again. */
  ended(runner: LiveRunner, { how, isFailure }: Pick<RunnerEnding, "how" | "isFailure">): void {
    for (const app of this.#ending) if (app.runners.delete(runner.id)) this.#clear(app);
    for (const [app, hooks] of this.#running) {
      if (!app.runners.delete(runner.id)) continue;
      if (isFailure || app.runners.size === 0) this.#fail(app, hooks, `its runner ended: ${how}`);
    }
  }

  /** Ends a run at once: its runners get the grace period, and no time for requests. */
  end(app: LiveApp, reason: string): void {
    if (!this.#running.delete(app)) return;
    this.#parts.remove(app);
    this.#ending.add(app);
    for (const runner of app.runners.values()) this.#parts.lives.end(runner, reason);
    this.#clear(app);
  }

  /** Ends a run and reports the reason to its caller. False if the app is not a run. */
  stop(app: LiveApp, reason: string): boolean {
    const hooks = this.#running.get(app);
    if (hooks === undefined) return false;
    this.#fail(app, hooks, reason);
    return true;
  }

  /** Ends all runs, and tells their callers. Resolves when their runners have ended. */
  async close(reason: string): Promise<void> {
    for (const [app, hooks] of this.#running) this.#fail(app, hooks, reason);
    while (this.#ending.size > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  #fail(app: LiveApp, hooks: RunHooks, reason: string): void {
    this.end(app, reason);
    hooks.onFailure(reason);
  }

  /** Removes the files of a run whose last runner has ended. */
  #clear(app: LiveApp): void {
    if (app.runners.size > 0) return;
    this.#ending.delete(app);
    for (const engine of this.#parts.engines.all()) void engine.discard(app.revision.id).catch(() => {});
  }
}
