import type { Command } from "commander";
import { Interruption, INTERRUPTED } from "../interruption.ts";
import { lineChoice, moment, type LineChoice } from "../option-values.ts";
import { finishPlatformGroup, operate, type OperationOptions } from "../platform/operation.ts";
import { inStates, withRunnerFilter, type RunnerFilter } from "../platform/runner-filter.ts";
import { runnersJson } from "../platform/original-json.ts";
import { formatOf, printOriginal, withOutput } from "../platform/output.ts";
import { printGpus, printRunners, printRunnersJson } from "../platform/runner-tables.ts";
import { addShellCommands } from "./runner-shell.ts";

interface LogsOptions extends OperationOptions {
  readonly follow?: boolean;
  readonly lines?: LineChoice;
  readonly search?: string;
  readonly since?: Date;
  readonly until?: Date;
}

/** `servable runners`: manages the processes that serve deployed apps. */
export function addRunnersCommand(program: Command): void {
  const runners = program
    .command("runners")
    .alias("machine")
    .summary("list and end the processes that serve apps, and read their logs")
    .description("The runners of the control plane: the processes that serve apps.")
    .addHelpText(
      "after",
      `
Examples:
  $ servable runners list
  $ servable runners logs 6f1c2a9e-8f43-4b53-9c0e-3f3f1f0a7c55 --follow`,
    );
  withOutput(withRunnerFilter(runners.command("list")))
    .summary("list those of all apps")
    .description("List the runners of all apps, and the requests they work on.")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable runners list --state running\n  $ servable runners list --since 2h --json",
    )
    .action((options: OperationOptions & RunnerFilter) =>
      operate(options, async (client) => {
        const format = formatOf(options);
        const list = inStates(await client.runners.list({ since: options.since }), options.state);
        if (format === "original") printOriginal(runnersJson(list));
        else if (format === "json") printRunnersJson(list);
        else printRunners(list, true);
      }),
    );
  withOutput(runners.command("gpus"), "print it as JSON: gpus, and total")
    .summary("count the GPUs of all apps")
    .description("Print the GPUs that all runners have, by kind.")
    .addHelpText("after", "\nExamples:\n  $ servable runners gpus")
    .action((options: OperationOptions) =>
      operate(options, async (client) => printGpus(await client.runners.gpus(), formatOf(options))),
    );
  addLogsCommand(runners);
  addShellCommands(runners);
  runners
    .command("stop <runner-id>")
    .summary("end one once its requests have ended")
    .description("End a runner once its requests have ended.")
    .option("-r, --replace", "only once another one is ready in its place")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable runners stop 6f1c2a9e-8f43-4b53-9c0e-3f3f1f0a7c55 --replace",
    )
    .action((runnerId: string, options: OperationOptions & { readonly replace?: boolean }) =>
      operate(options, async (client) => {
        await client.runners.stop(runnerId, { replaceFirst: options.replace });
        console.log(`The runner ${runnerId} is being stopped.`);
      }),
    );
  runners
    .command("kill <runner-id>")
    .summary("end one at once")
    .description("End a runner at once. Its requests fail.")
    .addHelpText("after", "\nExamples:\n  $ servable runners kill 6f1c2a9e-8f43-4b53-9c0e-3f3f1f0a7c55")
    .action((runnerId: string, options: OperationOptions) =>
      operate(options, async (client) => {
        await client.runners.kill(runnerId);
        console.log(`The runner ${runnerId} is killed.`);
      }),
    );
  finishPlatformGroup(runners);
}

function addLogsCommand(runners: Command): void {
  withOutput(
    runners.command("logs <runner-id>"),
    "print each line as JSON in a line of its own (NDJSON), with timestamp, level and message",
  )
    .alias("log")
    .summary("read the log of one")
    .description("Print the log of a runner, the oldest line first, each with its local time and level.")
    .option(
      "-f, --follow",
      "print new lines until the runner has ended; starts one minute ago without -n and --since",
    )
    .option("-n, --lines <n>", "only the newest lines, such as 20; the oldest ones with +20", lineChoice)
    .option("--search <text>", "only lines with this text in them")
    .option(
      "--since <time>",
      "only lines since then: 90s, 15m, 2h, 1d ago, or a time (default: its start)",
      moment,
    )
    .option("--until <time>", "only lines until then, in the same form (default: its end, or now)", moment)
    .addHelpText(
      "after",
      `
Examples:
  $ servable runners logs 6f1c2a9e-8f43-4b53-9c0e-3f3f1f0a7c55 -n 50 --follow
  $ servable runners logs 6f1c2a9e-8f43-4b53-9c0e-3f3f1f0a7c55 --since 2h --search Error --json`,
    )
    .action((runnerId: string, { follow, lines: choice, search, since, until, ...options }: LogsOptions) =>
      operate(options, async (client) => {
        const { printLogsObject, printRunnerLogs } = await import("../platform/runner-log-lines.ts");
        using stop = new Interruption();
        const { signal } = stop;
        try {
          const logs = client.runners.logs(runnerId, { follow, ...choice, search, since, until, signal });
          const format = formatOf(options);
          // fal's own command line prints one object, with the newest line first, unless it follows.
          if (format === "original" && follow !== true) await printLogsObject(logs);
          else await printRunnerLogs(logs, format !== "pretty", signal);
          return 0;
        } catch (error) {
          if (stop.caused(error)) return INTERRUPTED;
          throw error;
        }
      }),
    );
}
