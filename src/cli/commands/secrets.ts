import type { Command } from "commander";
import { UsageError } from "../../errors.ts";
import { plainLine } from "../../platform/transport/plain-line.ts";
import {
  environmentOf,
  finishPlatformGroup,
  operate,
  withEnvironment,
  type OperationOptions,
} from "../platform/operation.ts";
import { INTERRUPTED } from "../interruption.ts";
import { secretsJson } from "../platform/original-json.ts";
import { formatOf, printJson, printOriginal, printTable, withOutput } from "../platform/output.ts";
import { typedValue } from "../platform/typed-secret.ts";

/** `servable secrets`: manages secrets, which apps see as environment variables. */
export function addSecretsCommand(program: Command): void {
  const secrets = program
    .command("secrets")
    .alias("secret")
    .summary("set and list the secrets that apps see")
    .description("The secrets that apps see as variables. Values can be set, not read.")
    .addHelpText(
      "after",
      `
Examples:
  $ servable secrets set API_TOKEN
  $ servable secrets list`,
    );
  withOutput(withEnvironment(secrets.command("list")))
    .summary("list them")
    .description("List the secrets, without their values.")
    .addHelpText("after", "\nExamples:\n  $ servable secrets list --env staging")
    .action((options: OperationOptions) =>
      operate(options, async (client) => {
        const format = formatOf(options);
        const list = await client.secrets.list(environmentOf(options));
        if (format === "original") return printOriginal(secretsJson(list));
        if (format === "json") return printJson(list);
        if (list.length === 0) return console.log("There are no secrets.");
        printTable(
          ["Name", "Env", "Created At", "Exposed By Default"],
          list.map((item) => [item.name, item.environment, item.createdAt, item.defaultExposed]),
        );
      }),
    );
  withEnvironment(secrets.command("set <name=value...>"))
    .summary("set one or more")
    .description(
      "Set secrets, replacing those of the same name. For a NAME alone, the value is asked for or read from standard input: " +
        "every user of the machine can see arguments, and shells store them.",
    )
    .option("--not-exposed-by-default", "for apps alone that list it among their secrets")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable secrets set API_TOKEN\n  $ servable secrets set API_TOKEN < token.txt\n  $ servable secrets set API_TOKEN=abc OTHER=def",
    )
    .action((items: string[], options: OperationOptions & { readonly notExposedByDefault?: boolean }) =>
      operate(options, async (client) => {
        const pairs = await pairsOf(items);
        if (pairs === undefined) return INTERRUPTED;
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
        const { environment } = environmentOf(options);
        const wasThere = await client.secrets.unset(name, { environment });
        const where = environment === undefined ? "" : ` in ${environment}`;
        console.log(wasThere ? `Deleted ${name}.` : plainLine(`There is no secret ${name}${where}.`));
      }),
    );
  finishPlatformGroup(secrets);
}

type Pair = readonly [name: string, value: string];

/** Undefined if Ctrl-C ended the prompt for a value. @throws UsageError */
async function pairsOf(items: readonly string[]): Promise<readonly Pair[] | undefined> {
  const [first = ""] = items;
  if (items.length > 1 || !/^[A-Z_][A-Z0-9_]*$/.test(first)) {
    const pairs = items.map(pairOf);
    const repeated = pairs.find(([name], index) => pairs.findIndex(([other]) => other === name) !== index);
    if (repeated !== undefined)
      throw new UsageError(`The secret ${plainLine(repeated[0])} is given twice: give one value.`);
    return pairs;
  }
  const value = await typedValue(first);
  return value === undefined ? undefined : [[first, value]];
}

// An invalid argument may be a secret value: messages do not repeat it.
function pairOf(item: string): Pair {
  const at = item.indexOf("=");
  if (at <= 0) {
    throw new UsageError(
      "A secret is set as NAME=value, or as one NAME in capital letters alone, whose value is then asked for.",
    );
  }
  return [item.slice(0, at), item.slice(at + 1)];
}
