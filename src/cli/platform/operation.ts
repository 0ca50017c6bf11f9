import { Option, type Command } from "commander";
import type { ServerlessClient } from "../../platform/serverless-client.ts";
import { runAction, type CommonOptions } from "../action.ts";
import type { PlatformChoice } from "./notices.ts";
import type { OutputOptions } from "./output.ts";

/** What the commands that operate a control plane take. */
export interface OperationOptions extends CommonOptions, PlatformChoice, OutputOptions {
  readonly env?: string;
}

/** Runs a command's work with a client of the control plane that its options, the environment and the profile name. */
export async function operate(
  options: OperationOptions,
  work: (client: ServerlessClient) => Promise<number | void>,
): Promise<void> {
  await runAction(options, async () => {
    const { ServerlessClient } = await import("../../platform/serverless-client.ts");
    const { showNotices } = await import("./notices.ts");
    const { host, profile } = options;
    using client = new ServerlessClient({ host, profile });
    await showNotices(options, () => client.currentUser());
    return await work(client);
  });
}

/** The environment that `--env` or `FAL_ENV` names; nothing when neither does. */
export function environmentOf({ env }: Pick<OperationOptions, "env">): { environment?: string } {
  const environment = env ?? process.env["FAL_ENV"];
  return environment === undefined || environment === "" ? {} : { environment };
}

/** Adds `--env`. */
export function withEnvironment(command: Command): Command {
  return command.option("--env <name>", "the environment it is about (default: $FAL_ENV, else the main one)");
}

/** Where the help lists the options that all commands of a control plane have. */
const GROUP = "Control plane options:";

/** Adds the options that say which control plane is talked to. */
export function withPlatform(command: Command): Command {
  const options = [
    new Option(
      "--profile <name>",
      "the profile whose key and host are used (default: $FAL_PROFILE, else the selected one)",
    ),
    new Option(
      "--host <host>",
      "the control plane's host (default: $FAL_GRPC_HOST, $FAL_HOST, the profile's)",
    ),
    new Option(
      "--team <name>",
      "the account that is meant; a key belongs to one account, and says so if it is another's",
    ),
  ];
  for (const option of options) {
    if (!command.options.some(({ long }) => long === option.long)) command.addOption(option.helpGroup(GROUP));
  }
  return command;
}

/** Ends the definition of a group of commands of the control plane: what each of them has. */
export function finishPlatformGroup(group: Command): void {
  for (const command of group.commands) withPlatform(command);
  finishGroup(group);
}

/** Ends the definition of a group of commands: what each of them has. */
export function finishGroup(group: Command): void {
  for (const command of group.commands) {
    command.option("--debug", "show stacks");
    command.showHelpAfterError(`(servable ${group.name()} ${command.name()} --help shows how)`);
  }
}
