import type { RunnerInfo, RunnerState } from "../../platform/runner-info.ts";
import { printJson, printTable, spanText } from "./output.ts";

/** What `--state` takes, and which states of a runner each stands for. */
const STATES: Readonly<Record<string, readonly RunnerState[]>> = {
  idle: ["IDLE"],
  running: ["RUNNING", "DRAINING"],
  pending: ["PENDING", "DOCKER_PULL"],
  setup: ["SETUP"],
  crash_backoff: ["CRASH_BACKOFF"],
  terminated: ["TERMINATING", "TERMINATED", "DEAD"],
};

/** The values of `--state`. */
export const STATE_NAMES: readonly string[] = ["all", ...Object.keys(STATES)];

/** The runners in one of the states; all when none is named. */
export function inStates(runners: readonly RunnerInfo[], names: readonly string[] = []): RunnerInfo[] {
  if (names.length === 0 || names.includes("all")) return [...runners];
  const states = new Set(names.flatMap((name) => STATES[name] ?? []));
  return runners.filter(({ state }) => states.has(state));
}

/** Prints runners as JSON. */
export function printRunnersJson(runners: readonly RunnerInfo[]): void {
  printJson(runners.map(({ uptime, leases, ...info }) => ({ ...info, uptimeSeconds: uptime, leases })));
}

/** Prints runners and the requests they work on, in two tables. */
export function printRunners(runners: readonly RunnerInfo[], withAlias: boolean): void {
  const count = runners.length;
  const requests = runners.reduce((sum, { inFlightRequests }) => sum + inFlightRequests, 0);
  console.log(
    `${count} runner${count === 1 ? "" : "s"}, ${requests} request${requests === 1 ? "" : "s"} in flight`,
  );
  if (count === 0) return;
  printTable(
    [
      ...(withAlias ? ["Alias"] : []),
      ...["Machine Type", "Runner ID", "In Flight Requests", "Expires In", "Uptime", "Revision", "State"],
    ],
    runners.map((runner) => [
      ...(withAlias ? [runner.alias] : []),
      runner.machineType,
      runner.runnerId,
      runner.inFlightRequests,
      spanText(runner.expirationCountdown),
      spanText(runner.uptime),
      runner.revision,
      stateText(runner),
    ]),
  );
  const leases = runners.flatMap(({ runnerId, leases: all }) => all.map((lease) => ({ runnerId, ...lease })));
  if (leases.length === 0) return;
  console.log();
  printTable(
    ["Runner ID", "Request ID", "Caller ID", "Time Running"],
    leases.map(({ runnerId, requestId, callerUserId, leasedAt }) => [
      runnerId,
      requestId,
      callerUserId,
      spanText(leasedAt === undefined ? undefined : (Date.now() - leasedAt.getTime()) / 1_000),
    ]),
  );
}

function stateText({ state, replacement }: RunnerInfo): string {
  if (replacement === "WILL_REPLACE") return `${state} (will be replaced)`;
  return replacement === "DID_REPLACE" ? `${state} (replaced)` : state;
}
