import type { Logger } from "pino";
import type { LogEntry } from "../../log-entry.ts";
import { decide } from "../scaling/decide.ts";
import type { Decision, Runner, ScalingSettings, Snapshot } from "../scaling/snapshot.ts";
import { aliasOf } from "../state/app-names.ts";
import { recordDecision } from "../state/decisions.ts";
import type { Database } from "../store/database.ts";
import type { LiveApp } from "./live-app.ts";
import type { LiveRunner } from "./live-runner.ts";
import type { MachineRoom } from "./machine-room.ts";
import { shareRoom, victimsFor, type KeptRoom, type RoomClaim } from "./room-plan.ts";
import type { RunnerLives } from "./runner-lives.ts";

/** The parts that the scaler needs. */
export interface ScalerParts {
  readonly database: Database;
  readonly machine: MachineRoom;
  readonly lives: RunnerLives;
  readonly apps: () => Iterable<LiveApp>;
  /** A runner of an app was started. */
  readonly onStart: (app: LiveApp, runner: LiveRunner) => void;
  /** The clock, in seconds. */
  readonly now: () => number;
  readonly log: Logger;
}

/** The shortest time between two decisions about all apps, in seconds. */
const SHARE_SECONDS = 0.1;

/** Decides how many runners each app has, and starts and ends them: app by app, or for all together on a full machine. */
export class Scaler {
  readonly #parts: ScalerParts;
  readonly #considering = new Set<LiveApp>();
  /** Whether something waits for room on the machine, by the last decision about all apps. */
  #isShort = false;
  #sharedAt = -Infinity;
  #isSharing = false;
  #isClosed = false;

  constructor(parts: ScalerParts) {
    this.#parts = parts;
  }

  /** Decides about an app soon: once for all that happens in this turn of the event loop. */
  consider(app: LiveApp): void {
    if (this.#considering.has(app) || this.#isClosed) return;
    this.#considering.add(app);
    setImmediate(() => {
      this.#considering.delete(app);
      // The last requests of an app that was deleted end later than the app.
      const isGone = ![...this.#parts.apps()].includes(app);
      if (!this.#isClosed && !isGone) this.attempt(app.row.name, () => this.#decide(app));
    });
  }

  /** Decides about all apps now. */
  tick(): void {
    if (this.#isShort) this.attempt("share the machine", () => this.#share());
    else for (const app of this.#parts.apps()) this.attempt(app.row.name, () => this.#decide(app));
  }

  /** The machine has got room: whatever waits for it is considered. */
  roomChanged(): void {
    if (this.#isShort) this.shareSoon();
  }

  /** Does a step, and logs its failure. The next tick tries again, and the steps of other apps are not affected. */
  attempt(what: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#parts.log.error({ error: (error as Error).stack, what }, "a step of the scheduler failed");
    }
  }

  /** Starts a runner of an app. */
  start(app: LiveApp, reason: string, log?: (entry: LogEntry) => void): LiveRunner {
    const runner = this.#parts.lives.start(app.revision, reason, log);
    app.runners.set(runner.id, runner);
    this.#parts.onStart(app, runner);
    return runner;
  }

  /** Decides nothing any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** Decides about one app, as long as the machine has room for what it starts. */
  #decide(app: LiveApp): void {
    const decision = decide(this.#snapshot(app, this.#parts.now()));
    if (decision.start > 0) {
      const { memoryBytes = 0, gpus, ...rest } = this.#parts.lives.needOf(app.revision);
      const all = { ...rest, memoryBytes: memoryBytes * decision.start, gpus: gpus * decision.start };
      if (this.#isShort || this.#parts.machine.shortage(all) !== undefined) return this.#share();
    }
    this.#apply(app, decision);
  }

  /** Decides about all apps soon: once for all that happens in this turn of the event loop. */
  shareSoon(): void {
    this.#isShort = true;
    if (this.#isSharing) return;
    this.#isSharing = true;
    setImmediate(() => {
      this.#isSharing = false;
      this.#sharedAt = -Infinity;
      if (!this.#isClosed) this.attempt("share the machine", () => this.#share());
    });
  }

  /** Decides about all apps together, since the machine has not room for all that they want. */
  #share(): void {
    const now = this.#parts.now();
    if (now - this.#sharedAt < SHARE_SECONDS) return; // the next tick, or the end of a runner, does it
    this.#sharedAt = now;
    const { machine } = this.#parts;
    const kept = this.#admitWaiting();
    const apps = [...this.#parts.apps()];
    const claims = apps.map((app): RoomClaim => {
      const { minConcurrency } = scalingSettings(app);
      const runners = [...app.runners.values()].filter(({ id }) => machine.has(id)).map(asRunner);
      const decision = decide(this.#snapshot(app, now));
      return {
        app: nameOf(app),
        decision,
        need: this.#parts.lives.needOf(app.revision),
        minConcurrency,
        runners,
      };
    });
    const shared = shareRoom(claims, machine, kept);
    this.#isShort = this.#parts.lives.waiting().length > 0;
    for (const [index, app] of apps.entries()) {
      const { app: key, decision: wanted, need } = claims[index] as RoomClaim;
      const decision = shared.get(key) ?? wanted;
      const isCut = decision.start < wanted.start;
      if (isCut) this.#isShort = true;
      this.#apply(app, decision, isCut ? (machine.shortage(need) ?? "other apps need the room") : undefined);
    }
  }

  /** Lets runners continue that wait for room, the longest waiting first. @returns the room that the others wait for */
  #admitWaiting(): KeptRoom {
    const kept = { memoryBytes: 0, gpus: 0 };
    for (const { runner, need } of this.#parts.lives.waiting()) {
      if (this.#parts.lives.admit(runner)) continue;
      kept.memoryBytes += need.memoryBytes ?? 0;
      kept.gpus += need.gpus;
      const owners = [...this.#parts.apps()].map((app) => ({
        minConcurrency: app.row.scale.minConcurrency,
        runners: [...app.runners.values()],
      }));
      for (const victim of victimsFor(runner, need, owners, this.#parts.machine)) {
        this.#parts.lives.retire(victim, `a runner of ${runner.revision.app} needs its room`);
      }
    }
    return kept;
  }

  /** @param shortage why the machine has no room for all starts that the app wanted */
  #apply(app: LiveApp, decision: Decision, shortage?: string): void {
    app.target = decision.target;
    app.reason = decision.reason;
    const isNews = shortage !== undefined && app.shortage === undefined;
    app.shortage = shortage;
    if (decision.start === 0 && decision.stop.length === 0 && !isNews) return;
    for (let count = 0; count < decision.start; count++) this.start(app, decision.reason);
    for (const { runner: id, reason } of decision.stop) {
      const runner = app.runners.get(id);
      if (runner !== undefined) this.#parts.lives.retire(runner, reason);
    }
    const { log, database } = this.#parts;
    const { name, environment } = app.row;
    log.info({ app: name, environment, target: decision.target, reason: decision.reason }, "scaled");
    void recordDecision(database, {
      at: new Date(),
      app: name,
      environment,
      target: decision.target,
      started: decision.start,
      stopped: decision.stop.length,
      reason: decision.reason,
      numbers: { ...decision.numbers },
    }).catch(() => {});
  }

  #snapshot(app: LiveApp, now: number): Snapshot {
    return {
      now,
      settings: scalingSettings(app),
      runners: [...app.runners.values()]
        .filter(({ revision, replacement }) => revision.id === app.revision.id && replacement === "no")
        .map(asRunner),
      demand: app.meter.demand(now, app.row.scale.scalingDelaySeconds),
      history: app.history,
    };
  }
}

function nameOf({ row }: LiveApp): string {
  return aliasOf({ app: row.name, environment: row.environment });
}

function asRunner({ id, state, startedAt, leases, idleSince }: LiveRunner): Runner {
  return { id, state: state === "ended" ? "draining" : state, startedAt, requests: leases.size, idleSince };
}

/** The settings that bound the rule for an app. */
export function scalingSettings({ row, revision }: LiveApp): ScalingSettings {
  const { scale } = row;
  return {
    scaling: "balanced",
    keepAlive: scale.keepAliveSeconds,
    minConcurrency: Math.min(scale.minConcurrency, scale.maxConcurrency),
    maxConcurrency: scale.maxConcurrency,
    concurrencyBuffer: scale.concurrencyBuffer,
    concurrencyBufferPerc: scale.concurrencyBufferPercent,
    scalingDelay: scale.scalingDelaySeconds,
    maxMultiplexing: revision.codeSettings.maxMultiplexing,
  };
}
