import type { Command } from "commander";
import { plainLine } from "../../platform/transport/plain-line.ts";
import { isConfirmed } from "../platform/confirmation.ts";
import { finishPlatformGroup, operate, type OperationOptions } from "../platform/operation.ts";
import { environmentsJson } from "../platform/original-json.ts";
import { formatOf, printJson, printOriginal, printTable, withOutput } from "../platform/output.ts";

/** `servable environments`: manages environments, which are named groups of apps and secrets. */
export function addEnvironmentsCommand(program: Command): void {
  const environments = program
    .command("environments")
    .alias("envs")
    .summary("list, make and delete environments, such as staging")
    .description("The environments of the control plane: spaces of apps and secrets, such as staging.")
    .addHelpText(
      "after",
      `
Examples:
  $ servable environments create staging
  $ servable deploy app.ts --env staging`,
    );
  withOutput(environments.command("list"))
    .summary("list them")
    .description("List the environments.")
    .addHelpText("after", "\nExamples:\n  $ servable environments list")
    .action((options: OperationOptions) =>
      operate(options, async (client) => {
        const format = formatOf(options);
        const list = await client.environments.list();
        if (format === "original") return printOriginal(environmentsJson(list));
        if (format === "json") return printJson(list);
        if (list.length === 0) return console.log("There are no environments.");
        printTable(
          ["Name", "Description", "Default", "Created At"],
          list.map((item) => [item.name, item.description, item.isDefault, item.createdAt]),
        );
      }),
    );
  environments
    .command("create <name>")
    .summary("make one")
    .description("Make an environment.")
    .option("--description <text>", "its purpose, shown in the list")
    .addHelpText(
      "after",
      '\nExamples:\n  $ servable environments create staging --description "before a release"',
    )
    .action((name: string, options: OperationOptions & { readonly description?: string }) =>
      operate(options, async (client) => {
        const { description } = options;
        await client.environments.create(name, { description });
        console.log(`Made the environment ${name}.`);
      }),
    );
  environments
    .command("delete <name>")
    .summary("delete one")
    .description(
      "Delete an environment, with the apps and secrets in it. The name has to be typed once more.",
    )
    .option("-y, --yes", "without being asked")
    .addHelpText("after", "\nExamples:\n  $ servable environments delete staging")
    .action((name: string, options: OperationOptions & { readonly yes?: boolean }) =>
      operate(options, async (client) => {
        const shown = plainLine(name);
        const warning = `This deletes the environment ${shown}, with the apps and secrets in it.`;
        if (options.yes !== true && !(await isConfirmed({ warning, text: shown }))) {
          process.stderr.write("Nothing was deleted.\n");
          return 1;
        }
        await client.environments.delete(name);
        console.log(`Deleted the environment ${shown}.`);
      }),
    );
  finishPlatformGroup(environments);
}
