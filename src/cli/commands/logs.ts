import { Option, type Command } from "commander";
import type { ServerlessClient } from "../../platform/serverless-client.ts";
import { Interruption, INTERRUPTED } from "../interruption.ts";
import { lineChoice, moment, type LineChoice } from "../option-values.ts";
import type { AppLog, LogLevel } from "../platform/app-logs.ts";
import {
  environmentOf,
  operate,
  withEnvironment,
  withPlatform,
  type OperationOptions,
} from "../platform/operation.ts";
import { formatOf, withOutput } from "../platform/output.ts";

interface LogsOptions extends OperationOptions {
  readonly follow?: boolean;
  readonly lines?: LineChoice;
  readonly level?: LogLevel;
  readonly search?: string;
  readonly since?: Date;
  readonly until?: Date;
}

const LEVELS = ["debug", "info", "warning", "error"] as const satisfies readonly LogLevel[];

/** `servable logs APP|RUNNER`: the output of an app's runners, or of one. */
export function addLogsCommand(program: Command): void {
  const command = withOutput(
    withEnvironment(program.command("logs <app-or-runner>")),
    "print each line as JSON in a line of its own (NDJSON), with timestamp, level, message and runner_id",
  )
    .summary("read the output of an app, or of one runner")
    .description(
      "Print the output of all runners of an app, or of the runner of an id: the oldest line first, each with its local time, its level and its runner. " +
        "Runners of an app are those that run, and those that have ended in the last 24 hours.",
    )
    .option("-f, --follow", "print new lines: those of an app until Ctrl-C, also of runners that start later")
    .option("-n, --lines <n>", "only the newest lines, such as 20; the oldest ones with +20", lineChoice)
    .addOption(new Option("--level <level>", "only lines of this level or a higher one").choices(LEVELS))
    .option("--search <text>", "only lines with this text in them")
    .option("--since <time>", "only lines since then: 90s, 15m, 2h, 1d ago, or a time", moment)
    .option("--until <time>", "only lines until then, in the same form", moment)
    .addHelpText(
      "after",
      `
Examples:
  $ servable logs greeter --follow
  $ servable logs greeter --since 15m --level warning
  $ servable logs 6f1c2a9e-8f43-4b53-9c0e-3f3f1f0a7c55 -n 50`,
    );
  withPlatform(command)
    .option("--debug", "show stacks")
    .action((name: string, options: LogsOptions) =>
      operate(options, async (client) => {
        const { printRunnerLogs } = await import("../platform/runner-log-lines.ts");
        using stop = new Interruption();
        try {
          const logs = await linesOf(client, name, options, stop.signal);
          await printRunnerLogs(logs, formatOf(options) !== "pretty", stop.signal);
          return 0;
        } catch (error) {
          if (stop.caused(error)) return INTERRUPTED;
          throw error;
        }
      }),
    );
}

async function linesOf(
  client: ServerlessClient,
  name: string,
  { follow = false, lines: choice, level, search, since, until, ...options }: LogsOptions,
  signal: AbortSignal,
): Promise<AsyncIterable<AppLog>> {
  const { followApp, logsOf, ofLevel, pastLogs, runnersOfApp, someOf } =
    await import("../platform/app-logs.ts");
  const { environment } = environmentOf(options);
  const range = { search, since, until, signal };
  const isRunner = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(name);
  if (follow) {
    const wanted = { ...range, ...choice };
    const lines = isRunner
      ? logsOf(client, name, { ...wanted, follow })
      : followApp(client, name, environment, wanted);
    return ofLevel(lines, level);
  }
  const ids = isRunner ? [name] : await runnersOfApp(client, name, environment);
  if (ids.length === 0) process.stderr.write(`${name} had no runner in the last 24 hours.\n`);
  // Lines of a lower level are not counted, so that more of them have to be read.
  const each = level === undefined ? { ...range, ...choice } : range;
  return someOf(ofLevel(pastLogs(client, ids, each), level), choice);
}
