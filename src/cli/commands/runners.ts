import { Option, type Command } from "commander";
import { recentMoment } from "../platform/amounts.ts";
import { finishGroup, operate, type OperationOptions } from "../platform/operation.ts";
import { inStates, printRunners, printRunnersJson, STATE_NAMES } from "../platform/runner-tables.ts";

interface ListOptions extends OperationOptions {
  readonly since?: Date;
  readonly state?: readonly string[];
}

/** `servable runners`: the processes that serve what is deployed. */
export function addRunnersCommand(program: Command): void {
  const runners = program
    .command("runners")
    .summary("list and end the processes that serve apps")
    .description("The runners of the control plane: the processes that serve apps.");
  runners
    .command("list")
    .summary("list those of all apps")
    .description("List the runners of all apps, and the requests they work on.")
    .option(
      "--since <time>",
      "those too that have ended since: 30m, 12h or a time, 24 hours ago at most",
      recentMoment,
    )
    .addOption(new Option("--state <state...>", "only those in such a state").choices([...STATE_NAMES]))
    .option("--json", "print them as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable runners list --state running\n  $ servable runners list --since 2h --json",
    )
    .action((options: ListOptions) =>
      operate(options, async (client) => {
        const list = inStates(await client.runners.list({ since: options.since }), options.state);
        if (options.json === true) printRunnersJson(list);
        else printRunners(list, true);
      }),
    );
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
  finishGroup(runners);
}
