import type * as controller from "../generated/controller_pb.ts";

/** The state of a runner. A runner whose app keeps crashing waits in `CRASH_BACKOFF`. */
export type RunnerState =
  | "RUNNING"
  | "PENDING"
  | "SETUP"
  | "DEAD"
  | "DOCKER_PULL"
  | "DRAINING"
  | "TERMINATING"
  | "TERMINATED"
  | "IDLE"
  | "CRASH_BACKOFF"
  | "UNKNOWN";

/** A request that a runner is processing. */
interface RunnerLease {
  readonly requestId: string;
  /** The user who sent the request. */
  readonly callerUserId: string | undefined;
  readonly leasedAt: Date | undefined;
}

/** A process that serves an app. */
export interface RunnerInfo {
  readonly runnerId: string;
  /** The app, as the control plane names it: followed by `--` and the environment if that is not the main one. */
  readonly alias: string;
  readonly revision: string;
  readonly state: RunnerState;
  readonly machineType: string;
  readonly inFlightRequests: number;
  /** Seconds until the idle runner ends. */
  readonly expirationCountdown: number | undefined;
  /** In seconds. */
  readonly uptime: number;
  /** Whether another runner will replace it, or has replaced it. */
  readonly replacement: "NO_REPLACE" | "WILL_REPLACE" | "DID_REPLACE";
  readonly leases: readonly RunnerLease[];
}

const REPLACEMENTS = ["NO_REPLACE", "WILL_REPLACE", "DID_REPLACE"] as const;

/** Converts a runner of the protocol. */
export function runnerInfo(info: controller.RunnerInfo, protocol: typeof controller): RunnerInfo {
  const { runnerId, alias, revision, machineType, inFlightRequests, expirationCountdown, uptime } = info;
  return {
    runnerId,
    alias,
    revision,
    state: stateOf(info, protocol),
    machineType,
    inFlightRequests,
    expirationCountdown,
    uptime,
    replacement: REPLACEMENTS[info.replacement] ?? "NO_REPLACE",
    leases: leasesOf(info.externalMetadata?.["leases"]),
  };
}

function stateOf({ state }: controller.RunnerInfo, protocol: typeof controller): RunnerState {
  if (state === undefined) return "UNKNOWN";
  const name = protocol.RunnerInfo_State[state];
  if (name === undefined) return "UNKNOWN";
  return name === "FAILURE_DELAY" ? "CRASH_BACKOFF" : (name as RunnerState);
}

function leasesOf(leases: unknown): RunnerLease[] {
  if (!Array.isArray(leases)) return [];
  return leases.flatMap((lease: unknown) => {
    if (typeof lease !== "object" || lease === null) return [];
    const { request_id, caller_user_id, leased_at_epoch } = lease as Record<string, unknown>;
    return [
      {
        requestId: typeof request_id === "string" ? request_id : "",
        callerUserId: typeof caller_user_id === "string" ? caller_user_id : undefined,
        leasedAt: typeof leased_at_epoch === "number" ? new Date(leased_at_epoch * 1_000) : undefined,
      },
    ];
  });
}
