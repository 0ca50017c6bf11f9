import { create, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { LogLevel, LogSchema, LogSource, type Log } from "../../platform/generated/common_pb.ts";
import {
  AliasInfoSchema,
  ApplicationAuthMode,
  ApplicationInfoSchema,
  RunnerInfo_ReplaceState,
  RunnerInfo_State,
  RunnerInfoSchema,
  ServiceURLsSchema,
  type AliasInfo,
  type ApplicationInfo,
  type RunnerInfo,
  type ServiceURLs,
} from "../../platform/generated/controller_pb.ts";
import type { LogEntry } from "../../log-entry.ts";
import { aliasOf } from "../state/app-names.ts";
import type { ScaleField } from "./definition.ts";
import type { LiveApp } from "../scheduler/live-app.ts";
import { DEFAULT_SCALE, type AppRow, type AuthMode, type Scale } from "../state/apps.ts";
import type { Revision } from "../state/revisions.ts";
import type { RunnerRow, RunnerState } from "../state/runners.ts";

/** The keep alive that an app reports whose real one is learned: the protocol has no word for that. In seconds. */
const LEARNED_KEEP_ALIVE = 60;

const AUTH_MODES: Readonly<Record<AuthMode, ApplicationAuthMode>> = {
  private: ApplicationAuthMode.PRIVATE,
  public: ApplicationAuthMode.PUBLIC,
  shared: ApplicationAuthMode.SHARED,
};

const STATES: Readonly<Record<RunnerState, RunnerInfo_State>> = {
  pending: RunnerInfo_State.PENDING,
  setup: RunnerInfo_State.SETUP,
  ready: RunnerInfo_State.IDLE,
  draining: RunnerInfo_State.DRAINING,
  terminating: RunnerInfo_State.TERMINATING,
  terminated: RunnerInfo_State.TERMINATED,
};

const REPLACEMENTS = {
  no: RunnerInfo_ReplaceState.NO_REPLACE,
  wanted: RunnerInfo_ReplaceState.WILL_REPLACE,
  done: RunnerInfo_ReplaceState.DID_REPLACE,
} as const;

/** The auth mode of the protocol as this platform names it. */
export function authModeOf(mode: ApplicationAuthMode): AuthMode {
  return mode === ApplicationAuthMode.PUBLIC
    ? "public"
    : mode === ApplicationAuthMode.SHARED
      ? "shared"
      : "private";
}

function scaleFields({ keepAliveSeconds, ...scale }: Scale): Pick<AliasInfo, ScaleField> {
  return {
    keepAlive: keepAliveSeconds === "auto" ? LEARNED_KEEP_ALIVE : keepAliveSeconds,
    minConcurrency: scale.minConcurrency,
    maxConcurrency: scale.maxConcurrency,
    concurrencyBuffer: scale.concurrencyBuffer,
    concurrencyBufferPerc: scale.concurrencyBufferPercent,
    scalingDelaySeconds: scale.scalingDelaySeconds,
    requestTimeout: scale.requestTimeoutSeconds,
    requestStartTimeout: scale.requestStartTimeoutSeconds,
    validRegions: [...scale.regions],
  };
}

/** An app in the form of the protocol. */
export function aliasInfo(
  app: AppRow,
  revision: Revision,
  live: LiveApp | undefined,
  isRolling: boolean,
): AliasInfo {
  const { codeSettings } = revision;
  return create(AliasInfoSchema, {
    ...scaleFields(app.scale),
    alias: aliasOf({ app: app.name, environment: app.environment }),
    revision: app.revision,
    authMode: AUTH_MODES[app.authMode],
    activeRunners: activeRunners(live, app.revision),
    machineTypes: [...codeSettings.machineTypes],
    maxMultiplexing: codeSettings.maxMultiplexing,
    startupTimeout: codeSettings.startupTimeoutSeconds,
    environmentName: app.environment,
    isRolling,
  });
}

/** A revision in the form of the protocol. */
export function applicationInfo(
  revision: Revision,
  app: AppRow | undefined,
  live: LiveApp | undefined,
): ApplicationInfo {
  const { codeSettings } = revision;
  return create(ApplicationInfoSchema, {
    ...scaleFields(app?.scale ?? DEFAULT_SCALE),
    applicationId: revision.id,
    createdAt: timestampFromDate(revision.createdAt),
    activeRunners: activeRunners(live, revision.id),
    machineTypes: [...codeSettings.machineTypes],
    maxMultiplexing: codeSettings.maxMultiplexing,
    startupTimeout: codeSettings.startupTimeoutSeconds,
    environmentName: revision.environment,
  });
}

/** A runner in the form of the protocol. */
export function runnerInfo(
  row: RunnerRow,
  revision: Revision | undefined,
  app: LiveApp | undefined,
): RunnerInfo {
  const runner = app?.runners.get(row.id);
  const leases = [...(runner?.leases ?? [])];
  const uptimeSeconds = ((row.endedAt ?? new Date()).getTime() - row.createdAt.getTime()) / 1_000;
  const metadata: JsonObject = {
    reason: row.reason,
    ...(row.ending === null ? {} : { ending: row.ending }),
    leases: leases.map(({ requestId, caller = "", begunAt }) => ({
      request_id: requestId,
      caller_user_id: caller,
      leased_at_epoch: begunAt,
    })),
  };
  const isBusy = row.state === "ready" && leases.length > 0;
  return create(RunnerInfoSchema, {
    runnerId: row.id,
    inFlightRequests: leases.length,
    uptime: Math.max(0, uptimeSeconds),
    revision: row.revision,
    alias: aliasOf(row),
    externalMetadata: metadata,
    state: isBusy ? RunnerInfo_State.RUNNING : STATES[row.state],
    replacement: REPLACEMENTS[runner?.replacement ?? "no"],
    machineType: revision?.codeSettings.machineTypes[0] ?? "",
  });
}

/** The addresses of an app. */
export function serviceUrls(
  base: string,
  owner: string,
  app: { readonly app: string; readonly environment: string },
): ServiceURLs {
  const path = `${owner}/${aliasOf(app)}`;
  return create(ServiceURLsSchema, {
    playground: `${base}/${path}/docs`,
    run: `${base}/${path}`,
    queue: "",
    ws: `${base.replace(/^http/, "ws")}/${path}`,
    log: "",
  });
}

/** A log line in the form of the protocol. */
export function wireLog({ message, source, level, timestamp }: LogEntry): Log {
  return create(LogSchema, {
    message,
    source: LogSource[source],
    level: LogLevel[level],
    timestamp: timestampFromDate(timestamp),
  });
}

function activeRunners(live: LiveApp | undefined, revision: string): number {
  return [...(live?.runners.values() ?? [])].filter(
    (runner) => runner.revision.id === revision && (runner.state === "ready" || runner.state === "starting"),
  ).length;
}
