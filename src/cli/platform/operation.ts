import type { Command } from "commander";
import type { ServerlessClient } from "../../platform/serverless-client.ts";
import { runAction, type CommonOptions } from "../action.ts";

/** What the commands that operate a control plane take. */
export interface OperationOptions extends CommonOptions {
  readonly env?: string;
  readonly json?: boolean;
}

/** Runs a command's work with a client of the control plane that the environment and the profile name. */
export async function operate(
  options: CommonOptions,
  work: (client: ServerlessClient) => Promise<number | void>,
): Promise<void> {
  await runAction(options, async () => {
    const { ServerlessClient } = await import("../../platform/serverless-client.ts");
    using client = new ServerlessClient();
    return await work(client);
  });
}

/** The environment that `--env` or `FAL_ENV` names; nothing when neither does. */
export function environmentOf({ env }: OperationOptions): { environment?: string } {
  const environment = env ?? process.env["FAL_ENV"];
  return environment === undefined || environment === "" ? {} : { environment };
}

/** Adds `--env`. */
export function withEnvironment(command: Command): Command {
  return command.option("--env <name>", "the environment it is about (default: $FAL_ENV, else the main one)");
}

/** Ends the definition of a group of commands: what each of them has. */
export function finishGroup(group: Command): void {
  for (const command of group.commands) {
    command.option("--debug", "show stacks");
    command.showHelpAfterError(`(servable ${group.name()} ${command.name()} --help shows how)`);
  }
}
