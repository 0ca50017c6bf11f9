import { Option, type Command } from "commander";
import type { KeyScope } from "../../platform/account/keys.ts";
import { finishGroup, operate, type OperationOptions } from "../platform/operation.ts";
import { printJson, printTable } from "../platform/output.ts";

interface CreateOptions extends OperationOptions {
  readonly scope: KeyScope;
  readonly desc?: string;
}

/** `servable keys`: what opens the control plane and what runs there. */
export function addKeysCommand(program: Command): void {
  const keys = program
    .command("keys")
    .summary("make, list and revoke keys")
    .description("The keys that open a control plane and what runs there.")
    .addHelpText(
      "after",
      `
Examples:
  $ servable keys create --scope API --desc "the website"
  $ servable keys list`,
    );
  keys
    .command("list")
    .summary("list them")
    .description("List the keys, without their secrets.")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExamples:\n  $ servable keys list")
    .action((options: OperationOptions) =>
      operate(options, async (client) => {
        const list = await client.keys.list();
        if (options.json === true) return printJson(list);
        if (list.length === 0) return console.log("There are no keys.");
        printTable(
          ["Key ID", "Created At", "Scope", "Description"],
          list.map((item) => [item.keyId, item.createdAt, item.scope, item.description]),
        );
      }),
    );
  keys
    .command("create")
    .summary("make one")
    .description("Make a key, and print it: this one time, as the line that sets it in a shell.")
    .addOption(
      new Option("--scope <scope>", "what it opens: everything (ADMIN), or calls of apps alone (API)")
        .choices(["ADMIN", "API"])
        .makeOptionMandatory(),
    )
    .option("--desc <text>", "what to know it by in the list")
    .addHelpText("after", '\nExamples:\n  $ servable keys create --scope API --desc "the website"')
    .action((options: CreateOptions) =>
      operate(options, async (client) => {
        const { scope, desc: description } = options;
        const { key } = await client.keys.create({ scope, description });
        console.log(`FAL_KEY='${key.reveal().replaceAll("'", "'\\''")}'`);
        process.stderr.write("Keep it now: it is not shown again.\n");
      }),
    );
  keys
    .command("revoke <key-id>")
    .summary("revoke one")
    .description("Revoke a key: from then on it opens nothing.")
    .addHelpText("after", "\nExamples:\n  $ servable keys revoke 6f1c2a9e-8f43-4b53-9c0e-3f3f1f0a7c55")
    .action((keyId: string, options: OperationOptions) =>
      operate(options, async (client) => {
        await client.keys.revoke(keyId);
        console.log(`Revoked ${keyId}.`);
      }),
    );
  finishGroup(keys);
}
