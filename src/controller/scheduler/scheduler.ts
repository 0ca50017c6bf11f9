import type { Logger } from "pino";
import type { LogEntry } from "../../log-entry.ts";
import type { RunnerEnding } from "../engines/engine.ts";
import type { Engines } from "../engines/engines.ts";
import { EMPTY_HISTORY, learn, serviceSeconds, type History } from "../scaling/history.ts";
import { deleteApp, listApps, readHistory, writeHistory, type AppRow } from "../state/apps.ts";
import { recordArrivals } from "../state/arrivals.ts";
import { findRevision, recordStartTime, type Revision } from "../state/revisions.ts";
import type { MachineTypes } from "../state/machine-types.ts";
import { listRunners, updateRunner } from "../state/runners.ts";
import type { SecretBox } from "../state/secrets.ts";
import type { Database } from "../store/database.ts";
import { LiveApp } from "./live-app.ts";
import type { LiveRunner } from "./live-runner.ts";
import type { MachineRoom } from "./machine-room.ts";
import { Rollouts, type Rollout } from "./rollouts.ts";
import { RunnerLives } from "./runner-lives.ts";
import { startTimes, type StartTimes } from "./start-times.ts";
import { Runs, type RunHooks } from "./runs.ts";
import { Scaler } from "./scaler.ts";

/** The parts that the scheduler needs. */
export interface SchedulerParts {
  readonly database: Database;
  readonly engines: Engines;
  /** Memory and devices of the machine. */
  readonly machine: MachineRoom;
  readonly machineTypes: MachineTypes;
  readonly secrets: SecretBox;
  /** The address of the platform, as runners reach it. Asked for after it listens. */
  readonly announceUrl: () => string;
  /** The token by which a runner calls the platform. */
  readonly runnerToken: (id: string) => string;
  /** The first part of the addresses of all apps. */
  readonly owner: string;
  readonly log: Logger;
  /** The clock, in seconds. It never goes back. */
  readonly now: () => number;
  /** Called when a runner is ready, with the phases of its start, if this process has started it. */
  readonly onStarted?: (revision: Revision, times: StartTimes) => void;
  /** Called when a runner has failed. */
  readonly onFailed?: (revision: Revision) => void;
  /** Time after which sockets of a draining runner are closed, in milliseconds. */
  readonly evictMs?: number | undefined;
}

/** A runner, and the app that it belongs to. */
export interface FoundRunner {
  readonly app: LiveApp;
  readonly runner: LiveRunner;
}

const TICK_MS = 1_000;
/** The histories are stored after this number of ticks. */
const TICKS_TO_STORE = 5;
/** Arrivals are recorded after this number of ticks. */
const TICKS_TO_RECORD = 60;

/** The leader's loop: it decides how many runners each app has, and starts and ends them. */
export class Scheduler {
  readonly #parts: SchedulerParts;
  readonly #apps = new Map<string, LiveApp>();
  readonly #stored = new WeakMap<LiveApp, History>();
  readonly #scaler: Scaler;
  readonly lives: RunnerLives;
  readonly rollouts: Rollouts;
  readonly runs: Runs;
  #timer: NodeJS.Timeout | undefined;
  #ticks = 0;

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
    this.lives = new RunnerLives({
      ...parts,
      onReady: (runner) => this.#ready(runner),
      onEnded: (runner, ending) => this.#ended(runner, ending),
      onShortage: () => this.#scaler.shareSoon(),
    });
    this.#scaler = new Scaler({
      ...parts,
      lives: this.lives,
      apps: () => this.#apps.values(),
      onStart: (app, runner) => this.runs.started(app, runner),
    });
    this.rollouts = new Rollouts(parts.database, this.lives, {
      find: (environment, name) => this.find(environment, name),
      open: (row, revision) => this.#open(row, revision, EMPTY_HISTORY),
      log: parts.log,
    });
    this.runs = new Runs({
      lives: this.lives,
      engines: parts.engines,
      remove: ({ row }) => void this.#apps.delete(keyOf(row.environment, row.name)),
    });
  }

  /** Loads all apps, takes over the runners that still run, and begins to decide. */
  async start(): Promise<void> {
    const { database, log } = this.#parts;
    for (const row of await listApps(database)) {
      const revision = await findRevision(database, row.revision);
      if (revision === undefined) continue;
      const history = (await readHistory(database, row)) as History | undefined;
      this.#open(row, revision, history ?? EMPTY_HISTORY);
    }
    let adopted = 0;
    for (const row of await listRunners(database)) {
      const revision = await findRevision(database, row.revision);
      if (revision === undefined) {
        // Of a call that ended with the process before this one. Its runner is ended below.
        const reason = "its caller's call ended with the platform";
        await updateRunner(database, row.id, { state: "terminated", reason, ending: reason });
        continue;
      }
      const runner = await this.lives.adopt(row, revision);
      if (runner === undefined) continue;
      adopted++;
      const app = this.find(row.environment, row.app);
      if (app === undefined) this.lives.retire(runner, "its app was deleted");
      else app.runners.set(runner.id, runner);
    }
    const kept = new Set([...this.#apps.values()].flatMap(({ runners }) => [...runners.keys()]));
    for (const engine of this.#parts.engines.all()) {
      void engine.endOthers(kept).catch((error: unknown) => {
        log.warn({ error: (error as Error).message, engine: engine.name }, "left runners could not be ended");
      });
    }
    if (adopted > 0) log.info({ runners: adopted }, "took over runners that were left running");
    for (const app of this.#apps.values()) await this.rollouts.resume(app);
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** An app; undefined if there is none of this name. */
  find(environment: string, name: string): LiveApp | undefined {
    return this.#apps.get(keyOf(environment, name));
  }

  apps(): Iterable<LiveApp> {
    return this.#apps.values();
  }

  /** The runner of an id, with its app; undefined if it does not run. */
  findRunner(id: string): FoundRunner | undefined {
    for (const app of this.#apps.values()) {
      const runner = app.runners.get(id);
      if (runner !== undefined) return { app, runner };
    }
    return undefined;
  }

  /** Puts a revision in the place of an app's present one. */
  deploy(
    app: Omit<AppRow, "createdAt" | "nextRevision">,
    revision: Revision,
    strategy: "rolling" | "recreate",
    log?: (entry: LogEntry) => void,
  ): Rollout {
    return this.rollouts.begin(app, revision, strategy, log);
  }

  /** Runs a revision without a deployment, until {@link Runs.end} or its failure. No other app has its name. */
  run(row: AppRow, revision: Revision, hooks: RunHooks): LiveApp {
    const app = this.#open(row, revision, EMPTY_HISTORY);
    this.runs.begin(app, hooks);
    this.#scaler.start(app, "it was asked to run", hooks.onLog);
    return app;
  }

  /** Deletes an app and ends its runners. @returns the revision that it led to; undefined if there was none */
  async delete(environment: string, name: string): Promise<string | undefined> {
    const revision = await deleteApp(this.#parts.database, environment, name);
    const app = this.find(environment, name);
    this.#apps.delete(keyOf(environment, name));
    for (const runner of app?.runners.values() ?? []) this.lives.retire(runner, "its app was deleted");
    return revision;
  }

  /** Gives an app's changed row to the running app. */
  changed(row: AppRow, revision: Revision): void {
    const app = this.find(row.environment, row.name);
    if (app === undefined) return;
    app.row = row;
    if (app.revision.id === revision.id) app.revision = revision;
    this.#scaler.consider(app);
  }

  /** Ends a runner: with `replaceFirst`, after another one is ready. */
  stop({ app, runner }: FoundRunner, replaceFirst: boolean): void {
    if (this.runs.stop(app, "its runner was stopped")) return;
    if (!replaceFirst || runner.state !== "ready") {
      this.lives.retire(runner, "it was stopped");
      return;
    }
    runner.replacement = "wanted";
    const next = this.#scaler.start(app, `it replaces ${runner.id}`);
    this.rollouts.whenReady(next, () => {
      runner.replacement = "done";
      this.lives.retire(runner, `it was replaced by ${next.id}`);
    });
  }

  /** Ends a runner at once, with its requests. */
  kill({ app, runner }: FoundRunner): void {
    this.lives.kill(runner, "it was killed");
    this.runs.stop(app, "its runner was killed");
  }

  /** Replaces all runners of an app by new ones of the same revision. */
  recycle(app: LiveApp, force: boolean): void {
    const old = [...app.runners.values()];
    if (force) {
      for (const runner of old) this.lives.kill(runner, "all runners are replaced");
      return;
    }
    if (!old.some(({ state }) => state === "ready")) {
      for (const runner of old) this.lives.retire(runner, "all runners are replaced");
      return;
    }
    for (const runner of old) runner.replacement = "wanted";
    this.rollouts.whenReady(this.#scaler.start(app, "all runners are replaced"), () => {
      for (const runner of old) this.lives.retire(runner, "all runners are replaced");
    });
  }

  /** Stops deciding. With `keepRunners`, runners continue, and the next start takes them over; otherwise they end first. */
  async close({
    keepRunners,
    graceMs,
  }: {
    readonly keepRunners: boolean;
    readonly graceMs: number;
  }): Promise<void> {
    this.#scaler.close();
    clearInterval(this.#timer);
    for (const app of this.#apps.values()) {
      await this.#store(app).catch(() => {});
      await this.recordArrivals(app);
    }
    if (keepRunners) {
      // Their callers lose them anyway.
      await this.runs.close("the platform stops");
      this.lives.detach();
    } else {
      const runners = [...this.#apps.values()].flatMap((app) => [...app.runners.values()]);
      for (const runner of runners) this.lives.retire(runner, "the platform stops");
      const deadline = performance.now() + graceMs;
      const alive = (): readonly LiveRunner[] => runners.filter(({ state }) => state !== "ended");
      let isForced = false;
      while (alive().length > 0) {
        if (!isForced && performance.now() > deadline) {
          isForced = true;
          for (const runner of alive()) this.lives.kill(runner, "the platform stops");
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await this.runs.close("the platform stops");
    }
    await this.lives.settled();
  }

  #open(row: AppRow, revision: Revision, history: History): LiveApp {
    const app = new LiveApp(
      { row, revision, history },
      {
        now: this.#parts.now,
        onDemand: (each) => this.#scaler.consider(each),
        onIdle: (each, runner) => {
          this.lives.idle(runner);
          this.#scaler.consider(each);
        },
      },
    );
    this.#apps.set(keyOf(row.environment, row.name), app);
    return app;
  }

  /** Ends the runners that use more memory than their machine type has. */
  #limitMemory(): void {
    for (const [id, bytes] of this.#parts.engines.all().flatMap((engine) => [...engine.memory()])) {
      const found = this.findRunner(id);
      if (found === undefined) continue;
      const { memoryBytes, machineTypes } = this.lives.needOf(found.runner.revision);
      if (memoryBytes === undefined || bytes <= memoryBytes) continue;
      const used = `${Math.round(bytes / 1e6)} MB of the ${Math.round(memoryBytes / 1e6)} MB`;
      this.lives.fail(found.runner, `it used ${used} of machine type ${machineTypes}`, {
        isForced: true,
      });
    }
  }

  #tick(): void {
    this.#ticks++;
    this.#scaler.attempt("limit memory", () => this.#limitMemory());
    for (const app of this.#apps.values()) this.#scaler.attempt(app.row.name, () => this.#observe(app));
    this.#scaler.tick();
  }

  #observe(app: LiveApp): void {
    const now = this.#parts.now();
    for (const observation of app.meter.read(now, app.slots)) app.history = learn(app.history, observation);
    app.meter.expect(serviceSeconds(app.history));
    if (this.#ticks % TICKS_TO_STORE === 0) void this.#store(app).catch(() => {});
    if (this.#ticks % TICKS_TO_RECORD === 0) void this.recordArrivals(app);
  }

  /** Records the arrivals since the last time, for those who look back. */
  async recordArrivals({ row, arrivals }: LiveApp): Promise<void> {
    for (const minute of arrivals.take()) {
      const app = { environment: row.environment, app: row.name };
      await recordArrivals(this.#parts.database, app, minute).catch(() => arrivals.giveBack(minute));
    }
  }

  #ready(runner: LiveRunner): void {
    const { database, log } = this.#parts;
    const { revision, startedAt, readyAt = startedAt } = runner;
    const startMs = (readyAt - startedAt) * 1_000;
    log.info({ app: revision.app, runner: runner.id, startMs: Math.round(startMs) }, "a runner is ready");
    const times = startTimes(runner);
    if (times !== undefined) this.#parts.onStarted?.(revision, times);
    void recordStartTime(database, revision.id, startMs).catch(() => {});
    const app = this.find(revision.environment, revision.app);
    if (app?.revision.id === revision.id) {
      app.history = learn(app.history, { kind: "ready", at: readyAt, startedAt });
      app.trouble = undefined;
    }
    this.rollouts.ready(runner);
    if (app === undefined) return;
    this.runs.ready(app);
    app.serveWaiting();
  }

  #ended(runner: LiveRunner, { how, isFailure, lastWords }: RunnerEnding): void {
    const { revision, startedAt, readyAt } = runner;
    this.#parts.log[isFailure ? "warn" : "info"](
      { app: revision.app, runner: runner.id, how, ...(isFailure && lastWords !== "" ? { lastWords } : {}) },
      "a runner has ended",
    );
    this.runs.ended(runner, { how, isFailure });
    this.rollouts.ended(runner, { how, isFailure, lastWords });
    const app = this.find(revision.environment, revision.app);
    app?.runners.delete(runner.id);
    if (isFailure) this.#parts.onFailed?.(revision);
    this.#scaler.roomChanged();
    if (app === undefined) return;
    if (isFailure && app.revision.id === revision.id) {
      const at = this.#parts.now();
      app.trouble = { reason: lastWords === "" ? how : `${how}: ${lastWords.split("\n").at(-1)}`, at };
      app.history = learn(app.history, { kind: "crashed", at, startedAt, readyAt: readyAt ?? null });
    }
    this.#scaler.consider(app);
  }

  async #store(app: LiveApp): Promise<void> {
    if (this.#stored.get(app) === app.history) return;
    const { history } = app;
    await writeHistory(this.#parts.database, app.row, history);
    this.#stored.set(app, history);
  }
}

function keyOf(environment: string, name: string): string {
  return `${environment}/${name}`;
}
