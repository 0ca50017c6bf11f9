import type { Logger } from "pino";
import type { LogEntry } from "../../log-entry.ts";
import type { RunnerEnding } from "../engines/engine.ts";
import { forNewRevision, learn } from "../scaling/history.ts";
import { putApp, setNextRevision, type AppRow } from "../state/apps.ts";
import { findRevision, settleRevision, type Revision } from "../state/revisions.ts";
import type { Database } from "../store/database.ts";
import type { LiveApp } from "./live-app.ts";
import type { LiveRunner } from "./live-runner.ts";
import type { RunnerLives } from "./runner-lives.ts";

/** A revision on its way to the requests of an app. */
export interface Rollout {
  readonly revision: Revision;
  /** Resolves when the app leads to the revision. Rejects with a {@link RolloutFailure}. */
  readonly done: Promise<void>;
}

/** A revision did not get ready. The app leads to the one before, as if nothing had happened. */
export class RolloutFailure extends Error {}

interface RunningRollout extends Rollout {
  readonly app: Omit<AppRow, "createdAt" | "nextRevision">;
  /** Its runners, and those of them that are not ready yet. */
  readonly runners: readonly LiveRunner[];
  readonly pending: Set<LiveRunner>;
  readonly succeed: () => void;
  readonly fail: (error: Error) => void;
}

/** The parts of the scheduler that rollouts use. */
interface RolloutHooks {
  readonly find: (environment: string, name: string) => LiveApp | undefined;
  readonly open: (row: AppRow, revision: Revision) => LiveApp;
  readonly log: Logger;
}

/**
 * Replaces revisions by new ones: as many runners of the new one are started as are busy now, at least one, and once they are
 * ready, the app leads to it.
 */
export class Rollouts {
  readonly #database: Database;
  readonly #lives: RunnerLives;
  readonly #hooks: RolloutHooks;
  /** By each of its runners. */
  readonly #running = new Map<LiveRunner, RunningRollout>();
  readonly #whenReady = new Map<LiveRunner, () => void>();

  constructor(database: Database, lives: RunnerLives, hooks: RolloutHooks) {
    this.#database = database;
    this.#lives = lives;
    this.#hooks = hooks;
  }

  /**
   * Begins a rollout. With "recreate", the app leads to the revision at once, and its old runners end. A rollout that is
   * still running for the same app is given up.
   */
  begin(
    app: Omit<AppRow, "createdAt" | "nextRevision">,
    revision: Revision,
    strategy: "rolling" | "recreate",
    log?: (entry: LogEntry) => void,
  ): Rollout {
    this.#giveUpOthers(app, revision);
    const live = this.#hooks.find(app.environment, app.name);
    if (strategy === "recreate" && live !== undefined) {
      return { revision, done: this.#lead(app, revision, []) };
    }
    const busy = [...(live?.runners.values() ?? [])].filter(({ leases }) => leases.size > 0).length;
    const count = Math.max(1, Math.min(busy, app.scale.maxConcurrency));
    const runners = [this.#lives.start(revision, "it tries the new revision", log)];
    // On a full machine the old runners continue, and are replaced one after the other.
    while (runners.length < count && this.#lives.hasRoomFor(revision)) {
      runners.push(this.#lives.start(revision, "it tries the new revision"));
    }
    const { promise, resolve, reject } = withResolvers();
    const pending = new Set(runners);
    const rollout = { app, revision, runners, pending, done: promise, succeed: resolve, fail: reject };
    for (const runner of runners) {
      live?.runners.set(runner.id, runner);
      this.#running.set(runner, rollout);
    }
    promise.catch(() => {}); // reported to those who wait for it
    if (live !== undefined) {
      live.row = { ...live.row, nextRevision: revision.id };
      void setNextRevision(this.#database, app, revision.id).catch((error: unknown) => {
        this.#hooks.log.warn({ error: (error as Error).message }, "a rollout was not recorded");
      });
    }
    return rollout;
  }

  /** Continues the rollout that an earlier process had begun. */
  async resume(app: LiveApp): Promise<void> {
    const { nextRevision } = app.row;
    if (nextRevision === null) return;
    const revision = await findRevision(this.#database, nextRevision);
    if (revision === undefined || revision.state === "failed") {
      await setNextRevision(this.#database, app.row, null);
      app.row = { ...app.row, nextRevision: null };
      return;
    }
    // The runner that had been started for it begins again: its reports may be lost.
    for (const runner of app.runners.values()) {
      if (runner.revision.id === nextRevision)
        this.#lives.retire(runner, "the platform was restarted during the rollout");
    }
    this.#hooks.log.info({ app: app.row.name, revision: nextRevision }, "continuing the rollout");
    this.begin({ ...app.row, revision: nextRevision }, revision, "rolling");
  }

  /** Whether an app has a rollout now. */
  isRolling(environment: string, name: string): boolean {
    return [...this.#running.values()].some(
      ({ app }) => app.environment === environment && app.name === name,
    );
  }

  /** Calls `then` once a runner is ready; never, if it ends before. */
  whenReady(runner: LiveRunner, then: () => void): void {
    this.#whenReady.set(runner, then);
  }

  /** A runner has become ready. */
  ready(runner: LiveRunner): void {
    this.#whenReady.get(runner)?.();
    this.#whenReady.delete(runner);
    const rollout = this.#running.get(runner);
    if (rollout === undefined) return;
    rollout.pending.delete(runner);
    if (rollout.pending.size > 0) return;
    this.#close(rollout);
    this.#lead(rollout.app, rollout.revision, rollout.runners).then(rollout.succeed, (error: unknown) => {
      this.#failed(rollout, `It could not be recorded: ${(error as Error).message}.`);
    });
  }

  /** A runner has ended. */
  ended(runner: LiveRunner, { how, lastWords }: RunnerEnding): void {
    this.#whenReady.delete(runner);
    const rollout = this.#running.get(runner);
    if (rollout === undefined) return;
    this.#close(rollout);
    const words = lastWords === "" ? "" : `\n${lastWords}`;
    this.#failed(rollout, `A runner of it did not become ready: ${how}.${words}`);
  }

  /** Its runners are of no further interest. */
  #close({ runners }: RunningRollout): void {
    for (const runner of runners) this.#running.delete(runner);
  }

  #failed({ app, revision, runners, fail }: RunningRollout, failure: string): void {
    for (const runner of runners) this.#lives.retire(runner, "its revision has failed");
    const live = this.#hooks.find(app.environment, app.name);
    if (live?.row.nextRevision === revision.id) live.row = { ...live.row, nextRevision: null };
    const record = async (): Promise<void> => {
      await settleRevision(this.#database, revision.id, { state: "failed", failure });
      if (live !== undefined) await setNextRevision(this.#database, app, live.row.nextRevision);
    };
    const error = new RolloutFailure(failure);
    record().then(
      () => fail(error),
      () => fail(error),
    );
  }

  #giveUpOthers({ environment, name }: Pick<AppRow, "environment" | "name">, next: Revision): void {
    for (const rollout of new Set(this.#running.values())) {
      if (rollout.app.environment !== environment || rollout.app.name !== name) continue;
      this.#close(rollout);
      this.#failed(rollout, `A newer deployment has replaced it: revision ${next.id}.`);
    }
  }

  /** Lets an app lead to a revision, and ends the runners of the others. */
  async #lead(
    app: Omit<AppRow, "createdAt" | "nextRevision">,
    revision: Revision,
    runners: readonly LiveRunner[],
  ): Promise<void> {
    const row = await this.#database.transaction(async (queries) => {
      await settleRevision(queries, revision.id, { state: "ready" });
      return putApp(queries, { ...app, revision: revision.id });
    });
    const live = this.#hooks.find(app.environment, app.name) ?? this.#hooks.open(row, revision);
    live.row = row;
    live.revision = revision;
    live.trouble = undefined;
    live.history = forNewRevision(live.history);
    for (const runner of runners) {
      const { readyAt: at = runner.startedAt, startedAt } = runner;
      live.history = learn(live.history, { kind: "ready", at, startedAt });
      live.runners.set(runner.id, runner);
    }
    live.serveWaiting();
    for (const each of live.runners.values()) {
      if (each.revision.id !== revision.id)
        this.#lives.retire(each, `revision ${revision.id} has replaced its own`);
    }
  }
}

function withResolvers(): {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
} {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
