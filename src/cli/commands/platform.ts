import type { Command } from "commander";
import { runAction } from "../action.ts";
import { finishGroup } from "../platform/operation.ts";
import { formatOf, printJson, printTable, withOutput } from "../platform/output.ts";
import type { SelfHostOptions } from "../self-host/platform-client.ts";
import { stateDirectory } from "../self-host/state-directory.ts";

/** `servable platform`: the platform of this machine as a whole. */
export function addPlatformCommand(program: Command): void {
  const platform = program
    .command("platform")
    .summary("the settings of the platform of this machine")
    .description("The platform of this machine as a whole.")
    .addHelpText("after", "\nExamples:\n  $ servable platform settings");
  withOutput(platform.command("settings"))
    .summary("list its settings")
    .description(
      "List the settings of the platform, with the values that its next start uses. They are in platform.toml, in the folder of the platform.",
    )
    .option("--state <folder>", "the folder of the platform (default: as for servable up)")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable platform settings\n  $ servable platform settings --json",
    )
    .action((options: SelfHostOptions) =>
      runAction(options, async () => {
        const { listSettings } = await import("../self-host/settings-list.ts");
        const list = await listSettings(stateDirectory(options.state));
        if (formatOf(options) !== "pretty") return printJson(list.settings);
        printTable(
          ["Setting", "Value", "Default", "Meaning"],
          list.settings.map(({ name, value, byDefault, doc }) => [
            name,
            JSON.stringify(value),
            JSON.stringify(byDefault),
            doc,
          ]),
        );
        process.stderr.write(`Change them in ${list.path}, then start the platform again.\n`);
      }),
    );
  finishGroup(platform);
}
