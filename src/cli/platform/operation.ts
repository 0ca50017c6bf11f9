import { Option, type Command } from "commander";
import type { ServerlessClient } from "../../platform/serverless-client.ts";
import { runAction, type CommonOptions } from "../action.ts";
import type { PlatformChoice } from "./notices.ts";
import type { OutputOptions } from "./output.ts";

/** Options of the commands that use a control plane. */
export interface OperationOptions extends CommonOptions, PlatformChoice, OutputOptions {
  readonly env?: string;
}

/** Runs a command with a client of the control plane that its options, the environment or the profile select. */
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

/** The environment of `--env` or `FAL_ENV`, as an option of the client. */
export function environmentOf({ env }: Pick<OperationOptions, "env">): { environment?: string } {
  const environment = env ?? process.env["FAL_ENV"];
  return environment === undefined || environment === "" ? {} : { environment };
}

/** Adds `--env`. */
export function withEnvironment(command: Command): Command {
  return command.option("--env <name>", "the environment it is about (default: $FAL_ENV, else the main one)");
}

/** The heading of the options that all commands of a control plane have. */
const GROUP = "Control plane options:";

/** Adds the options that select the control plane. */
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

/** Completes a group of commands of the control plane: adds their common options. */
export function finishPlatformGroup(group: Command): void {
  for (const command of group.commands) withPlatform(command);
  finishGroup(group);
}

/** Completes a group of commands: adds their common options. */
export function finishGroup(group: Command): void {
  for (const command of group.commands) {
    command.option("--debug", "show stacks");
    command.showHelpAfterError(`(servable ${group.name()} ${command.name()} --help shows how)`);
  }
}
