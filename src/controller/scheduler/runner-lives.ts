import { randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { logEntry, type LogEntry } from "../../log-entry.ts";
import type { Logger } from "pino";
import type { Engine, RunnerEnding, RunnerHandle } from "../engines/engine.ts";
import type { Engines } from "../engines/engines.ts";
import type { Gpu } from "../state/gpus.ts";
import type { ShellProgram } from "../shell/terminal.ts";
import { hashOf } from "../state/keys.ts";
import type { MachineTypes, Need } from "../state/machine-types.ts";
import type { Revision } from "../state/revisions.ts";
import { createRunner, runnerTokenHash, updateRunner, type RunnerRow } from "../state/runners.ts";
import { openImage } from "../state/image-secrets.ts";
import { openSecrets, type SecretBox } from "../state/secrets.ts";
import { aliasOf } from "../state/app-names.ts";
import type { Database } from "../store/database.ts";
import { acceptsConnections, HealthWatch } from "./health-watch.ts";
import { LiveRunner } from "./live-runner.ts";
import type { MachineRoom } from "./machine-room.ts";
import { RunnerRecords } from "./runner-records.ts";

/** The parts that the lives of runners need. */
export interface RunnerLivesParts {
  readonly database: Database;
  readonly engines: Engines;
  readonly machine: MachineRoom;
  readonly machineTypes: MachineTypes;
  readonly secrets: SecretBox;
  /** The address of the platform, as runners reach it. */
  readonly announceUrl: () => string;
  /** The token by which a runner calls the platform. */
  readonly runnerToken: (id: string) => string;
  /** The first part of the addresses of all apps. */
  readonly owner: string;
  /** The clock, in seconds. */
  readonly now: () => number;
  readonly log: Logger;
  /** Time after which sockets of a draining runner are closed, in milliseconds. Default 60 s. */
  readonly evictMs?: number | undefined;
  /** A runner takes requests from now on. */
  readonly onReady: (runner: LiveRunner) => void;
  /** A runner has ended. `ending.isFailure` is false if it was asked to. */
  readonly onEnded: (runner: LiveRunner, ending: RunnerEnding) => void;
  /** A runner waits for room. */
  readonly onShortage: () => void;
}

interface Life {
  readonly runner: LiveRunner;
  /** Undefined if it can't announce itself any more. */
  readonly tokenHash: Buffer | undefined;
  readonly abort: AbortController;
  /** Undefined before it is chosen. */
  engine?: Engine;
  readonly need: Need;
  /** Its devices; undefined while the machine has no room for it. */
  gpus?: readonly Gpu[];
  /** Called when it has got room. */
  onRoom?: () => void;
  startTimer?: NodeJS.Timeout;
  evictTimer?: NodeJS.Timeout;
  health?: HealthWatch;
  isInEngine: boolean;
  /** Set once it is to end: the reason. */
  ending?: string;
  /** Set once it has failed: the reason. */
  failure?: string;
  /** Called with each line of the preparation. */
  readonly log?: ((entry: LogEntry) => void) | undefined;
}

/** The default time after which sockets of a draining runner are closed, in milliseconds. */
const EVICT_MS = 60_000;
/** Time for a connection to a runner, in milliseconds. */
const CONNECT_MS = 5_000;

/** Starts and ends runners, and records their states. */
export class RunnerLives {
  readonly #parts: RunnerLivesParts;
  readonly #lives = new Map<string, Life>();
  readonly #records: RunnerRecords;

  constructor(parts: RunnerLivesParts) {
    this.#parts = parts;
    this.#records = new RunnerRecords(parts.database, parts.log);
  }

  /** Starts a runner. It is known at once, and becomes ready or ends later. */
  start(revision: Revision, reason: string, log?: (entry: LogEntry) => void): LiveRunner {
    const runner = new LiveRunner(randomUUID(), revision, this.#parts.now());
    const token = randomBytes(32).toString("hex");
    const life: Life = {
      runner,
      tokenHash: hashOf(token),
      abort: new AbortController(),
      need: this.needOf(revision),
      isInEngine: false,
      log,
    };
    this.#lives.set(runner.id, life);
    if (!this.#takeRoom(life)) {
      log?.(logEntry(`waiting for room: ${runner.lacks}`, "BRIDGE", "INFO"));
      this.#parts.onShortage();
    }
    void this.#begin(life, token, reason).catch((error: unknown) =>
      this.#over(life, {
        how: (error as Error).message,
        isFailure: life.ending === undefined,
        lastWords: "",
      }),
    );
    return runner;
  }

  /** Takes over a runner of an earlier process. Undefined if it has ended meanwhile, which is recorded. */
  async adopt(row: RunnerRow, revision: Revision): Promise<LiveRunner | undefined> {
    const { now, engines, machine, database } = this.#parts;
    const age = (Date.now() - row.createdAt.getTime()) / 1_000;
    const runner = new LiveRunner(row.id, revision, now() - age);
    const life: Life = {
      runner,
      tokenHash: await runnerTokenHash(database, row.id),
      abort: new AbortController(),
      need: this.needOf(revision),
      isInEngine: true,
    };
    const engine = engines.named(row.engine);
    const handle = row.handle as StoredHandle | null;
    this.#lives.set(row.id, life);
    const adopted =
      handle === null ? undefined : await engine?.adopt(row.id, handle, (ending) => this.#over(life, ending));
    if (engine === undefined || adopted === undefined) {
      this.#lives.delete(row.id);
      await updateRunner(database, row.id, {
        state: "terminated",
        reason: "it ended while the platform was away",
        ending: row.ending ?? "it ended while the platform was away",
      });
      return undefined;
    }
    life.engine = engine;
    machine.restore(row.id, life.need, handle?.gpus ?? []);
    if (row.address === null) {
      this.#awaitReady(life, Math.max(1, revision.codeSettings.startupTimeoutSeconds - age));
      if (adopted.address !== undefined) void this.#awaitHealthy(life, adopted.address);
      return runner;
    }
    runner.address = row.address;
    runner.readyAt = runner.startedAt;
    if (row.state === "ready") {
      runner.state = "ready";
      this.#watch(life, row.address);
    } else this.retire(runner, row.reason);
    return runner;
  }

  /** The environment of a runner that has not ended; undefined for another id. */
  environmentOf(id: string): string | undefined {
    return this.#lives.get(id)?.runner.revision.environment;
  }

  /** How a program runs beside a runner. Undefined if it does not run. */
  async shellOf(id: string, command: readonly string[], tty: boolean): Promise<ShellProgram | undefined> {
    return this.#lives.get(id)?.engine?.shellOf(id, command, tty);
  }

  /** Aborted when a runner has ended: at once for one that does not run. */
  endOf(id: string): AbortSignal {
    return this.#lives.get(id)?.runner.end.signal ?? AbortSignal.abort();
  }

  /** A runner says that it takes requests. False if there is no such runner, or the token is wrong. */
  async announce(id: string, token: string, port: number): Promise<boolean> {
    const life = this.#lives.get(id);
    if (life?.tokenHash === undefined || !timingSafeEqual(hashOf(token), life.tokenHash)) return false;
    if (life.runner.state !== "starting" || life.runner.address !== undefined) return true;
    life.runner.phases.announcedAt = this.#parts.now();
    await this.#awaitHealthy(life, `http://127.0.0.1:${port}`);
    return true;
  }

  /**
   * Lets a runner finish its requests and ends it. Sockets are closed after a minute. A runner that starts is ended at
   * once.
   */
  retire(runner: LiveRunner, reason: string): void {
    const life = this.#lives.get(runner.id);
    if (life === undefined || life.ending !== undefined) return;
    life.ending = reason;
    runner.state = "draining";
    life.health?.stop();
    this.#records.add(life.runner.id, { state: "draining", reason });
    if (runner.leases.size === 0) return this.idle(runner);
    // Some sockets move to another runner at once.
    for (const lease of runner.leases) lease.onDrain?.();
    life.evictTimer = setTimeout(() => {
      for (const lease of runner.leases) lease.onEvict?.();
    }, this.#parts.evictMs ?? EVICT_MS).unref();
  }

  /** The last request of a runner has ended: one that is draining ends now. */
  idle(runner: LiveRunner): void {
    const life = this.#lives.get(runner.id);
    if (life?.ending === undefined || runner.state !== "draining") return;
    this.#endInEngine(life, runner.revision.definition.gracePeriodSeconds * 1_000);
  }

  /** Ends a runner with its requests: at once, or after its grace period if it does not end by itself. */
  end(runner: LiveRunner, reason: string): void {
    this.#interrupt(runner, reason, runner.revision.definition.gracePeriodSeconds * 1_000);
  }

  /** Ends a runner at once, with its requests. */
  kill(runner: LiveRunner, reason: string): void {
    this.#interrupt(runner, reason, 0);
  }

  /** A runner has failed: it is ended, and replaced if it is needed. With `isForced`, its requests get no time to finish. */
  fail(runner: LiveRunner, reason: string, { isForced = false }: { readonly isForced?: boolean } = {}): void {
    const life = this.#lives.get(runner.id);
    if (life !== undefined) this.#fail(life, reason, isForced);
  }

  /** A runner answered an error that may mean that it is broken: it ends if it accepts no connections. */
  check(runner: LiveRunner, status: number): void {
    const life = this.#lives.get(runner.id);
    if (life === undefined || runner.address === undefined) return;
    void acceptsConnections(runner.address, CONNECT_MS).then((isOpen) => {
      if (!isOpen) this.#fail(life, `it answered ${status}, and accepts no connections`);
    });
  }

  /** The needs of a runner of a revision. */
  needOf({ codeSettings, definition }: Pick<Revision, "codeSettings" | "definition">): Need {
    return this.#parts.machineTypes.needOf(codeSettings.machineTypes, definition.numGpus);
  }

  /** Whether the machine has room for a runner of a revision now. */
  hasRoomFor(revision: Revision): boolean {
    return this.#parts.machine.shortage(this.needOf(revision)) === undefined;
  }

  /** The runners that wait for room, the longest waiting first. */
  waiting(): readonly { readonly runner: LiveRunner; readonly need: Need }[] {
    return [...this.#lives.values()].filter(
      ({ gpus, ending, isInEngine }) => gpus === undefined && ending === undefined && !isInEngine,
    );
  }

  /** Lets a runner that waits for room continue, if there is enough now. */
  admit({ id }: LiveRunner): boolean {
    const life = this.#lives.get(id);
    return life !== undefined && this.#takeRoom(life);
  }

  /** Resolves when all that has happened is recorded. */
  async settled(): Promise<void> {
    await this.#records.settled();
  }

  /** Stops watching. Runners continue: the next process adopts them. */
  detach(): void {
    for (const life of this.#lives.values()) {
      life.health?.stop();
      clearTimeout(life.startTimer);
      clearTimeout(life.evictTimer);
    }
  }

  #interrupt(runner: LiveRunner, reason: string, graceMs: number): void {
    const life = this.#lives.get(runner.id);
    if (life === undefined) return;
    if (life.ending === undefined) {
      life.ending = reason;
      runner.state = "draining";
      life.health?.stop();
    }
    this.#endInEngine(life, graceMs);
  }

  async #begin(life: Life, token: string, reason: string): Promise<void> {
    const { database, engines, secrets, announceUrl, runnerToken, owner } = this.#parts;
    const { runner, abort } = life;
    const { id, revision } = runner;
    const { app, environment, definition, codeSettings } = revision;
    const engine = await engines.engineFor(definition.image);
    life.engine = engine;
    await createRunner(database, {
      ...{ id, app, environment, revision: revision.id, engine: engine.name, reason },
      tokenHash: hashOf(token),
    });
    const opened = { ...definition, image: openImage(secrets, definition.image) };
    await engine.prepare({ ...revision, definition: opened }, { signal: abort.signal, log: life.log });
    runner.phases.preparedAt = this.#parts.now();
    const { values, missing } = await openSecrets(database, secrets, environment, definition.secrets);
    if (missing.length > 0) {
      throw new Error(
        `The secret ${missing.join(", ")} does not exist in ${environment}: set it with "servable secrets set".`,
      );
    }
    const gpus = await this.#room(life);
    abort.signal.throwIfAborted();
    const variables = {
      ...values,
      FAL_APP_NAME: app,
      // The part of an address that the gateway takes off.
      FAL_APP_ROOT_PATH: `/${owner}/${aliasOf({ app, environment })}`,
      SERVABLE_RUNNER_ID: id,
    };
    const platform = { url: announceUrl(), token: runnerToken(id), announcementToken: token };
    const started = await engine.start(
      { id, revision, variables, platform, need: life.need, gpus },
      (ending) => this.#over(life, ending),
    );
    const handle: StoredHandle = { ...started.handle, gpus: gpus.map((gpu) => gpu.id) };
    life.isInEngine = true;
    runner.phases.launchedAt = this.#parts.now();
    life.log?.(logEntry(`started runner ${id}`, "BRIDGE", "INFO"));
    this.#records.add(life.runner.id, { state: "setup", reason: "it is starting", handle });
    if (life.ending !== undefined) return this.#endInEngine(life, 0);
    this.#awaitReady(life, codeSettings.startupTimeoutSeconds);
    if (started.address !== undefined) void this.#awaitHealthy(life, started.address);
  }

  #takeRoom(life: Life): boolean {
    const { machine } = this.#parts;
    const gpus = machine.take(life.runner.id, life.need);
    life.runner.lacks = gpus === undefined ? machine.shortage(life.need) : undefined;
    if (gpus === undefined) return false;
    life.gpus = gpus;
    life.onRoom?.();
    return true;
  }

  /** The devices of a runner, as soon as there is room for it. @throws the reason to end it */
  async #room(life: Life): Promise<readonly Gpu[]> {
    if (life.gpus === undefined) {
      this.#records.add(life.runner.id, { reason: `it waits for room: ${life.runner.lacks}` });
      await new Promise<void>((resolve, reject) => {
        life.onRoom = resolve;
        const { signal } = life.abort;
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        if (signal.aborted) reject(signal.reason as Error);
      });
    }
    return life.gpus ?? [];
  }

  #awaitReady(life: Life, seconds: number): void {
    life.startTimer = setTimeout(() => {
      const fault = life.health?.lastFault;
      this.#fail(
        life,
        `it was not ready within the startup timeout of ${Math.round(seconds)} s${fault === undefined ? "" : `: ${fault}`}`,
      );
    }, seconds * 1_000).unref();
  }

  /** Asks a runner at an address until it is well. From then on it takes requests. */
  async #awaitHealthy(life: Life, address: string): Promise<void> {
    const { runner } = life;
    runner.address = address;
    const { definition, codeSettings } = runner.revision;
    const watch = new HealthWatch(address, definition.healthCheck, {
      isBusy: () => runner.leases.size > 0,
      onFailure: (reason) => this.#fail(life, reason),
    });
    life.health = watch;
    try {
      await watch.firstSuccess(codeSettings.startupTimeoutSeconds * 1_000, life.abort.signal);
    } catch (error) {
      this.#fail(life, (error as Error).message);
      return;
    }
    this.#ready(life, address);
  }

  #ready(life: Life, address: string): void {
    const { runner } = life;
    if (runner.state !== "starting") return;
    clearTimeout(life.startTimer);
    const now = this.#parts.now();
    runner.state = "ready";
    runner.phases.announcedAt ??= now; // containers do not announce themselves
    runner.readyAt = now;
    runner.idleSince = now;
    this.#records.add(life.runner.id, { state: "ready", reason: "it takes requests", address });
    life.health?.start();
    this.#parts.onReady(runner);
  }

  #watch(life: Life, address: string): void {
    life.health = new HealthWatch(address, life.runner.revision.definition.healthCheck, {
      isBusy: () => life.runner.leases.size > 0,
      onFailure: (reason) => this.#fail(life, reason),
    });
    life.health.start();
  }

  /** Ends a runner as a failure. */
  #fail(life: Life, reason: string, isForced = false): void {
    const { runner } = life;
    if (runner.state === "ended" || life.failure !== undefined) return;
    if (life.ending !== undefined && !isForced) return;
    life.failure = reason;
    runner.state = "draining";
    life.health?.stop();
    const isBusy = runner.leases.size > 0 && !isForced;
    this.#endInEngine(life, isBusy ? runner.revision.definition.gracePeriodSeconds * 1_000 : 0);
  }

  #endInEngine(life: Life, graceMs: number): void {
    clearTimeout(life.startTimer);
    life.abort.abort(new Error(life.ending ?? life.failure ?? "it was ended"));
    if (!life.isInEngine) return;
    this.#records.add(life.runner.id, {
      state: "terminating",
      reason: life.ending ?? life.failure ?? "it is ending",
    });
    life.engine?.end(life.runner.id, graceMs);
  }

  #over(life: Life, ending: RunnerEnding): void {
    const { runner } = life;
    if (runner.state === "ended") return;
    runner.state = "ended";
    // Nobody asks it any more whether it is well.
    life.abort.abort(new Error("it has ended"));
    runner.end.abort();
    life.health?.stop();
    clearTimeout(life.startTimer);
    clearTimeout(life.evictTimer);
    this.#lives.delete(runner.id);
    this.#parts.machine.free(runner.id);
    const isFailure = life.failure !== undefined || (life.ending === undefined && ending.isFailure);
    const how = life.failure === undefined ? ending.how : `${life.failure} (${ending.how})`;
    const words = ending.lastWords === "" || !isFailure ? "" : `\n${ending.lastWords}`;
    this.#records.add(life.runner.id, {
      state: "terminated",
      reason: life.ending ?? how,
      ending: how + words,
    });
    this.#parts.onEnded(runner, { how, isFailure, lastWords: ending.lastWords });
  }
}

/** A handle in the database: that of the engine, and the ids of the runner's devices. */
interface StoredHandle extends RunnerHandle {
  readonly gpus?: readonly string[];
}
