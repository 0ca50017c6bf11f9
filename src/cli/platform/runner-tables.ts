import type { RunnerInfo } from "../../platform/runners/runner-info.ts";
import { printJson, printTable, spanText } from "./output.ts";

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
