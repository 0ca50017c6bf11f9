import { Option, type Command } from "commander";
import { runAction } from "../action.ts";
import type { DeployCommandOptions } from "../deploy/deploy-options.ts";
import { authOption, buildArgOption, collected, strategyOption } from "../option-values.ts";
import { withPlatform } from "../platform/operation.ts";
import { withOutput } from "../platform/output.ts";

/** `servable deploy [FILE[::Class]|NAME]`: deploys a class, or an app of a config. */
export function addDeployCommand(program: Command): void {
  const deploy = program
    .command("deploy")
    .summary("deploy a class to a control plane")
    .description(
      "Deploy a class, or an app that servable.config.ts names, to a control plane: fal's, or one of your own.",
    )
    .argument(
      "[app]",
      "FILE[::Class], or the name of an app in servable.config.ts; nothing when there is only one",
    )
    .option("--app-name <name>", "the name it is deployed under (default: the class's appName)")
    .addOption(authOption("as before, private for a new app"))
    .addOption(strategyOption())
    .addOption(
      new Option(
        "--attach",
        "wait until the new runners have taken over; only with the strategy rolling",
      ).conflicts("detach"),
    )
    .option("--detach", "end once it is registered, while runners are still being replaced")
    .option("--reset-scale", "take the scale of the code, in place of how the app was scaled since")
    .addOption(new Option("--no-scale", "keep how the app was scaled since: the default").hideHelp())
    .option("-m, --message <text>", "why it is deployed; shown with the revision")
    .option(
      "--annotation <key=value>",
      "a note for programs, kept with the revision; can be given often",
      collected,
    )
    .option("--env <name>", "the environment it goes to (default: $FAL_ENV, else the main one)")
    .addOption(buildArgOption())
    .option("--no-cache", "build every layer of the image again")
    .addOption(new Option("--force-env-build", "the same as --no-cache").hideHelp())
    .option("--check", "show what changes of the app's scale, and ask before the deployment")
    .option("-y, --yes", "continue without a question")
    .option("--debug", "show stacks, and log lines of every level")
    .addHelpText(
      "after",
      `
Examples:
  $ servable deploy app.ts
  $ servable deploy app.ts::TextToImage --app-name text-to-image --auth public
  $ servable deploy web --env staging --message "the new voice"
  $ servable deploy app.ts --reset-scale --check`,
    )
    .action((app: string | undefined, options: DeployCommandOptions) =>
      runAction(options, async () => {
        const { deployApp } = await import("../deploy/deploy-app.ts");
        return deployApp(app, options);
      }),
    );
  withPlatform(withOutput(deploy, "print the result as JSON"));
}
