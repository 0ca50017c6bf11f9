import type { Command } from "commander";
import { runAction, type CommonOptions } from "../action.ts";
import { timeSpan } from "../option-values.ts";

interface ListOptions extends CommonOptions {
  readonly json?: boolean;
}

interface PruneOptions extends ListOptions {
  readonly olderThan?: number;
  readonly all?: boolean;
  readonly dryRun?: boolean;
}

/** `servable env`: manages the environments of isolated functions on this machine. */
export function addEnvCommand(program: Command): void {
  const env = program
    .command("env")
    .summary("list and remove the environments of functions")
    .description("The environments that isolated functions run in on this machine: folders of npm packages.")
    .addHelpText(
      "after",
      `
Examples:
  $ servable env list
  $ servable env prune --older-than 30d`,
    );
  env
    .command("list")
    .summary("list them")
    .description("List the environments: what is in them, their size, when they were made and used.")
    .option("--json", "print them as JSON")
    .option("--debug", "show stacks")
    .addHelpText(
      "after",
      `
Examples:
  $ servable env list
  $ servable env list --json`,
    )
    .action((options: ListOptions) => runAction(options, () => list(options)));
  env
    .command("prune")
    .summary("remove environments that are no longer needed")
    .description(
      "Remove broken and unfinished environments and, with an option, others. Environments in use are kept.",
    )
    .option("--older-than <span>", "also those that were last used longer ago: 12h, 30d, 4w", timeSpan)
    .option("--all", "all that are not in use")
    .option("--dry-run", "print the environments that would be removed, and remove none")
    .option("--json", "print what was removed as JSON")
    .option("--debug", "show stacks")
    .addHelpText(
      "after",
      `
Examples:
  $ servable env prune
  $ servable env prune --older-than 30d
  $ servable env prune --all --dry-run`,
    )
    .action((options: PruneOptions) => runAction(options, () => prune(options)));
  for (const command of env.commands) {
    command.showHelpAfterError(`(servable env ${command.name()} --help shows how)`);
  }
}

async function list(options: ListOptions): Promise<void> {
  const { NpmEnvironments } = await import("../../environments/npm-environments.ts");
  const store = new NpmEnvironments();
  const environments = await store.list();
  const { cacheDirectory } = store;
  if (options.json === true) {
    const totalBytes = environments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    console.log(JSON.stringify({ cacheDirectory, environments, totalBytes }, null, 2));
    return;
  }
  const { environmentLines, sumOf } = await import("../environment-lines.ts");
  const { styleFor } = await import("../style.ts");
  const style = styleFor(process.stdout);
  if (environments.length === 0) {
    console.log(`No environments in ${cacheDirectory}.`);
    return;
  }
  for (const info of environments) console.log(environmentLines(info, style).join("\n"));
  console.log(`\n${sumOf(environments)} in ${cacheDirectory}`);
}

async function prune(options: PruneOptions): Promise<void> {
  const { NpmEnvironments } = await import("../../environments/npm-environments.ts");
  const dryRun = options.dryRun ?? false;
  const result = await new NpmEnvironments().prune({
    all: options.all ?? false,
    dryRun,
    ...(options.olderThan === undefined ? {} : { olderThanMs: options.olderThan }),
  });
  if (options.json === true) {
    console.log(JSON.stringify({ ...result, dryRun }, null, 2));
    return;
  }
  const { environmentLines, sumOf } = await import("../environment-lines.ts");
  const { styleFor } = await import("../style.ts");
  const style = styleFor(process.stdout);
  for (const info of result.removed) console.log(environmentLines(info, style).join("\n"));
  const done = dryRun ? "Would remove" : "Removed";
  console.log(result.removed.length === 0 ? "Nothing to remove." : `\n${done} ${sumOf(result.removed)}.`);
  for (const { key } of result.kept) console.log(`Kept ${key}: it is in use.`);
  if (options.all !== true && options.olderThan === undefined) {
    console.log(style.dim("Others are removed with --older-than 30d, or --all."));
  }
}
