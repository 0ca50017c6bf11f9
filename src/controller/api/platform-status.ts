import { aliasOf } from "../state/app-names.ts";
import type { LiveApp } from "../scheduler/live-app.ts";
import type { MachineRoom } from "../scheduler/machine-room.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";

/** The apps of a platform and their runners. */
export interface PlatformStatus {
  readonly url: string;
  readonly owner: string;
  readonly uptimeSeconds: number;
  /** The shortages of the machine, a sentence each: a full disk, file descriptors. */
  readonly shortages: readonly string[];
  readonly machine: MachineStatus;
  readonly apps: readonly AppStatus[];
}

/** Memory and devices of the machine for runners. */
interface MachineStatus {
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  /** Each device, with the id of the runner that has it. */
  readonly gpus: readonly { readonly id: string; readonly name: string; readonly runner: string | null }[];
}

/** An app and its runners. */
interface AppStatus {
  readonly name: string;
  readonly environment: string;
  /** Its name in addresses. */
  readonly alias: string;
  readonly auth: string;
  readonly revision: string;
  /** The revision that is being rolled out. */
  readonly nextRevision: string | null;
  readonly runners: { readonly ready: number; readonly starting: number; readonly draining: number };
  /** Requests and sockets on runners. */
  readonly running: number;
  /** Requests that wait for a runner. */
  readonly waiting: number;
  /** The number of runners that there should be. */
  readonly target: number;
  /** Why there are so many runners, or why requests wait. */
  readonly reason: string;
}

/** The present status. */
export function platformStatus(
  scheduler: Scheduler,
  machine: MachineRoom,
  about: Pick<PlatformStatus, "url" | "owner" | "uptimeSeconds" | "shortages">,
): PlatformStatus {
  const apps = [...scheduler.apps()].map(appStatus);
  const gpus = machine.holders().map(({ gpu, runner }) => ({ ...gpu, runner: runner ?? null }));
  const { freeMemoryBytes, size } = machine;
  return {
    ...about,
    machine: { memoryBytes: size.memoryBytes, freeMemoryBytes, gpus },
    apps: apps.toSorted((a, b) => (a.alias < b.alias ? -1 : 1)),
  };
}

function appStatus(app: LiveApp): AppStatus {
  const { row } = app;
  const runners = [...app.runners.values()];
  const count = (wanted: string): number => runners.filter(({ state }) => state === wanted).length;
  return {
    name: row.name,
    environment: row.environment,
    alias: aliasOf({ app: row.name, environment: row.environment }),
    auth: row.authMode,
    revision: row.revision,
    nextRevision: row.nextRevision,
    runners: { ready: count("ready"), starting: count("starting"), draining: count("draining") },
    running: runners.reduce((sum, { leases }) => sum + leases.size, 0),
    waiting: app.waiting,
    target: app.target,
    reason: app.waiting > 0 ? app.waitReason() : app.reason,
  };
}
