import type { RunnerInfo } from "../../platform/runners/runner-info.ts";
import type { GpuUsage } from "../../platform/apps/gpu-usage.ts";
import { spanText } from "../amount-texts.ts";
import { printJson, printOriginal, printTable, type Format } from "./output.ts";

/** Prints the number of GPUs of each kind. */
export function printGpus({ gpus, total }: GpuUsage, format: Format): void {
  // Not in snake_case: the keys are names of GPUs.
  if (format === "json") return console.log(JSON.stringify({ gpus, total }, null, 2));
  if (format === "original") return printOriginal({ gpus, total });
  const rows = Object.entries(gpus);
  if (rows.length > 0) printTable(["Type", "Count"], rows);
  console.log(`${total} GPU${total === 1 ? "" : "s"} in all`);
}

/** Prints runners as JSON. */
export function printRunnersJson(runners: readonly RunnerInfo[]): void {
  printJson(runners.map(({ uptime, leases, ...info }) => ({ ...info, uptimeSeconds: uptime, leases })));
}

/** Prints runners and the requests they are processing, in two tables. */
export function printRunners(runners: readonly RunnerInfo[], withAlias: boolean): void {
  const count = runners.length;
  const requests = runners.reduce((sum, { inFlightRequests }) => sum + inFlightRequests, 0);
  console.log(
    `${count} runner${count === 1 ? "" : "s"}, ${requests} request${requests === 1 ? "" : "s"} in flight`,
  );
  const delayed = runners.filter(({ state }) => state === "CRASH_BACKOFF").length;
  if (delayed > 0) {
    const subject = delayed === 1 ? "1 runner is" : `${delayed} runners are`;
    process.stderr.write(
      `Note: ${subject} being delayed (CRASH_BACKOFF), as starting failed: look at setup(), and at the logs ` +
        'with "servable runners logs".\n',
    );
  }
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
