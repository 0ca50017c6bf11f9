import { Option, type Command } from "commander";
import { UsageError } from "../../errors.ts";
import type { CreateKeyOptions, KeyPreset, KeyScope } from "../../platform/account/keys.ts";
import type { Secret } from "../../platform/target/secret.ts";
import { INTERRUPTED } from "../interruption.ts";
import { collected, timeSpan } from "../option-values.ts";
import { finishPlatformGroup, operate, type OperationOptions } from "../platform/operation.ts";
import { keysJson } from "../platform/original-json.ts";
import { formatOf, printJson, printOriginal, printTable, withOutput } from "../platform/output.ts";

interface CreateOptions extends OperationOptions {
  readonly preset?: KeyPreset;
  readonly permission?: readonly string[];
  readonly scope?: KeyScope;
  readonly desc?: string;
  readonly alias?: string;
  /** In ms. */
  readonly expires?: number;
}

const PRESETS = [
  "FULL",
  "API",
  "DEPLOY",
  "READONLY",
  "BILLING",
  "COMPUTE",
  "SERVERLESS",
  "AGENT",
] as const satisfies readonly KeyPreset[];

/** `servable keys`: keys of the control plane and of the apps on it. */
export function addKeysCommand(program: Command): void {
  const keys = program
    .command("keys")
    .alias("key")
    .summary("make, list, rotate and revoke keys")
    .description("The keys that open a control plane and what runs there.")
    .addHelpText(
      "after",
      `
Examples:
  $ servable keys create --preset API --desc "the website"
  $ servable keys list
  $ servable keys rotate 6f1c2a9e-8f43-4b53-9c0e-3f3f1f0a7c55 --grace 1d`,
    );
  withOutput(keys.command("list"))
    .summary("list them")
    .description("List the keys, without their secrets.")
    .addHelpText("after", "\nExamples:\n  $ servable keys list")
    .action((options: OperationOptions) =>
      operate(options, async (client) => {
        const format = formatOf(options);
        const list = await client.keys.list();
        if (format === "original") return printOriginal(keysJson(list));
        if (format === "json") return printJson(list);
        if (list.length === 0) return console.log("There are no keys.");
        const hasLives = list.some((item) => item.expiresAt !== undefined || item.lastUsedAt !== undefined);
        printTable(
          ["Key ID", "Created At", "Scope", "Description", ...(hasLives ? ["Expires At", "Last Used"] : [])],
          list.map((item) => [
            ...[item.keyId, item.createdAt, item.scope, item.description],
            ...(hasLives ? [item.expiresAt, item.lastUsedAt] : []),
          ]),
        );
      }),
    );
  addCreateCommand(keys);
  addRotateCommand(keys);
  keys
    .command("revoke <key-id>")
    .summary("revoke one")
    .description("Revoke a key. Requests that begin from then on are refused.")
    .addHelpText("after", "\nExamples:\n  $ servable keys revoke 6f1c2a9e-8f43-4b53-9c0e-3f3f1f0a7c55")
    .action((keyId: string, options: OperationOptions) =>
      operate(options, async (client) => {
        await client.keys.revoke(keyId);
        console.log(`Revoked ${keyId}.`);
      }),
    );
  finishPlatformGroup(keys);
}

function addCreateCommand(keys: Command): void {
  keys
    .command("create")
    .summary("make one")
    .description("Create a key and print it, once, as the line that sets it in a shell.")
    .addOption(
      new Option("--preset <preset>", "a named set of permissions (default: asked for)")
        .choices(PRESETS)
        .conflicts(["permission", "scope"]),
    )
    .addOption(
      new Option("--permission <names>", "permissions, separated by commas; can be repeated")
        .argParser(collected)
        .conflicts("scope"),
    )
    .addOption(
      new Option("--scope <scope>", "the preset FULL (ADMIN) or API, as it was called before").choices([
        "ADMIN",
        "API",
      ]),
    )
    .option("--desc <text>", "a description, shown in the list")
    .option("--expires <time>", "when it expires: 12h, 30d, 4w from now; on a self-hosted platform", timeSpan)
    .addOption(new Option("--alias <text>", "the same as --desc").conflicts("desc").hideHelp())
    .addHelpText(
      "after",
      `
Examples:
  $ servable keys create --preset API --desc "the website"
  $ servable keys create --preset DEPLOY --expires 30d
  $ servable keys create --permission models:requests:submit,serverless:apps:run`,
    )
    .action((options: CreateOptions) =>
      operate(options, async (client) => {
        const grant = grantOf(options) ?? (await askedGrant());
        if (grant === undefined) return INTERRUPTED;
        const { desc, alias, expires } = options;
        const { key } = await client.keys.create({
          ...grant,
          description: desc ?? alias,
          ...(expires === undefined ? {} : { expiresInSeconds: expires / 1_000 }),
        });
        printKey(key);
      }),
    );
}

function addRotateCommand(keys: Command): void {
  keys
    .command("rotate <key-id>")
    .summary("give one another secret")
    .description(
      "Give a key of a self-hosted platform another secret, and print the key, once, as the line that sets it in a shell. Its id and its permissions stay.",
    )
    .option(
      "--grace <time>",
      "how long the former secret stays valid: 30m, 12h, 1d (default: not at all)",
      timeSpan,
    )
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable keys rotate 6f1c2a9e-8f43-4b53-9c0e-3f3f1f0a7c55 --grace 1d",
    )
    .action((keyId: string, options: OperationOptions & { readonly grace?: number }) =>
      operate(options, async (client) => {
        const { key } = await client.keys.rotate(keyId, { graceSeconds: (options.grace ?? 0) / 1_000 });
        printKey(key);
      }),
    );
}

/** Prints a key as the line that sets it in a shell. */
function printKey(key: Secret): void {
  console.log(`FAL_KEY='${key.reveal().replaceAll("'", "'\\''")}'`);
  process.stderr.write("Keep it now: it is not shown again.\n");
}

/** The permissions in the options; undefined if there are none. @throws UsageError */
function grantOf({ preset, permission, scope }: CreateOptions): CreateKeyOptions | undefined {
  if (preset !== undefined) return { preset };
  if (scope !== undefined) return { scope };
  if (permission === undefined) return undefined;
  const permissions = permission
    .flatMap((names) => names.split(","))
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (permissions.length === 0)
    throw new UsageError("--permission needs the name of at least one permission.");
  return { permissions };
}

async function askedGrant(): Promise<CreateKeyOptions | undefined> {
  const { askPreset } = await import("../platform/preset-question.ts");
  return askPreset();
}
