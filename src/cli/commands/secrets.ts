import type { Command } from "commander";
import { UsageError } from "../../errors.ts";
import {
  environmentOf,
  finishGroup,
  operate,
  withEnvironment,
  type OperationOptions,
} from "../platform/operation.ts";
import { printJson, printTable } from "../platform/output.ts";

/** `servable secrets`: what apps see as variables. */
export function addSecretsCommand(program: Command): void {
  const secrets = program
    .command("secrets")
    .summary("set and list the secrets that apps see")
    .description("The secrets that apps see as variables. Values can be set, not read.")
    .addHelpText(
      "after",
      `
Examples:
  $ servable secrets set API_TOKEN=abc
  $ servable secrets list`,
    );
  withEnvironment(secrets.command("list"))
    .summary("list them")
    .description("List the secrets, without their values.")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExamples:\n  $ servable secrets list --env staging")
    .action((options: OperationOptions) =>
      operate(options, async (client) => {
        const list = await client.secrets.list(environmentOf(options));
        if (options.json === true) return printJson(list);
        if (list.length === 0) return console.log("There are no secrets.");
        printTable(
          ["Name", "Env", "Created At", "Exposed By Default"],
          list.map((item) => [item.name, item.environment, item.createdAt, item.defaultExposed]),
        );
      }),
    );
  withEnvironment(secrets.command("set <name=value...>"))
    .summary("set one or more")
    .description("Set secrets. What has such a name already is replaced.")
    .option("--not-exposed-by-default", "for apps alone that list it among their secrets")
    .addHelpText("after", "\nExamples:\n  $ servable secrets set API_TOKEN=abc OTHER=def")
    .action((items: string[], options: OperationOptions & { readonly notExposedByDefault?: boolean }) =>
      operate(options, async (client) => {
        const pairs = items.map(pairOf);
        const defaultExposed = options.notExposedByDefault !== true;
        for (const [name, value] of pairs) {
          await client.secrets.set(name, value, { defaultExposed, ...environmentOf(options) });
          console.log(`Set ${name}.`);
        }
      }),
    );
  withEnvironment(secrets.command("unset <name>"))
    .summary("delete one")
    .description("Delete a secret.")
    .addHelpText("after", "\nExamples:\n  $ servable secrets unset API_TOKEN")
    .action((name: string, options: OperationOptions) =>
      operate(options, async (client) => {
        await client.secrets.unset(name, environmentOf(options));
        console.log(`Deleted ${name}.`);
      }),
    );
  finishGroup(secrets);
}

// What is not of the form may be a value alone: it is in no message.
function pairOf(item: string): [name: string, value: string] {
  const at = item.indexOf("=");
  if (at <= 0) throw new UsageError("A secret is set as NAME=value.");
  return [item.slice(0, at), item.slice(at + 1)];
}
