import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import { stateOf } from "../../cache/process-mark.ts";
import { UsageError } from "../../errors.ts";
import { runAction, type CommonOptions } from "../action.ts";
import { runningPlatform, stateDirectory } from "../self-host/state-directory.ts";

/** Interval at which the platform is looked at while it ends, in milliseconds. */
const POLL_MS = 50;

/** `servable down`: stops the platform of this machine. */
export function addDownCommand(program: Command): void {
  program
    .command("down")
    .summary("stop the platform of this machine")
    .description(
      "Stop the platform that runs in a folder. Its runners finish their requests first, for up to 30 s. Its state is kept.",
    )
    .option("--state <folder>", "the folder of the platform (default: as for servable up)")
    .option("--debug", "show stacks")
    .addHelpText("after", "\nExamples:\n  $ servable down\n  $ servable down --state ./platform")
    .action((options: CommonOptions & { readonly state?: string }) =>
      runAction(options, async () => {
        const directory = stateDirectory(options.state);
        const platform = runningPlatform(directory);
        if (platform === undefined) throw new UsageError(`No platform runs in ${directory}.`);
        process.kill(platform.mark.pid, "SIGTERM");
        while (stateOf(platform.mark) === "alive") await delay(POLL_MS);
        console.log(`Stopped the platform at ${platform.url}.`);
      }),
    );
}
