import type { Command } from "commander";
import { runAction } from "../action.ts";
import { formatOf, printJson, printTable, withOutput } from "../platform/output.ts";
import { platformClient, type SelfHostOptions } from "../self-host/platform-client.ts";

/** A decision as the platform lists it. */
interface DecisionLine {
  readonly at: string;
  readonly target: number;
  readonly started: number;
  readonly stopped: number;
  readonly reason: string;
}

/** `servable why APP`: the decisions behind an app's runners. */
export function addWhyCommand(program: Command): void {
  withOutput(program.command("why <app>"))
    .summary("why an app has the runners that it has")
    .description(
      "The last decisions about the runners of an app on the platform of this machine, with their numbers.",
    )
    .option("--limit <count>", "how many are listed (default: 20)")
    .option("--state <folder>", "the folder of the platform (default: as for servable up)")
    .option("--profile <name>", "the profile with the platform's key (default: local)")
    .option("--debug", "show stacks")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable why greeter\n  $ servable why greeter--staging --limit 5",
    )
    .action((app: string, options: SelfHostOptions & { readonly limit?: string }) =>
      runAction(options, async () => {
        const { client } = await platformClient(options);
        const path = `/platform/apps/${encodeURIComponent(app)}/decisions?limit=${encodeURIComponent(options.limit ?? "20")}`;
        const decisions = (await client.json({ method: "GET", path })) as readonly DecisionLine[];
        if (formatOf(options) !== "pretty") return printJson(decisions);
        if (decisions.length === 0) return console.log(`Nothing was started or stopped for ${app} yet.`);
        printTable(
          ["At", "Wanted", "Started", "Stopped", "Why"],
          decisions.map(({ at, target, started, stopped, reason }) => [
            new Date(at),
            target,
            started,
            stopped,
            reason,
          ]),
        );
      }),
    );
}
