import type { Command } from "commander";
import type { CachedDownload } from "../../downloads/cached-downloads.ts";
import { bytesText } from "../../output/byte-amount.ts";
import { agoText } from "../amount-texts.ts";
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

/** `servable cache`: manages the models, files and repositories that were downloaded into the cache. */
export function addCacheCommand(program: Command): void {
  const cache = program
    .command("cache")
    .summary("list and remove downloaded models and repositories")
    .description("The models and repositories that apps have downloaded into the cache of this machine.")
    .addHelpText(
      "after",
      `
Examples:
  $ servable cache list
  $ servable cache prune --older-than 30d`,
    );
  cache
    .command("list")
    .summary("list them")
    .description("List the downloads, the largest first: their sources, sizes, times of use and paths.")
    .option("--json", "print them as JSON")
    .option("--debug", "show stacks")
    .addHelpText(
      "after",
      `
Examples:
  $ servable cache list
  $ servable cache list --json`,
    )
    .action((options: ListOptions) => runAction(options, () => list(options)));
  cache
    .command("prune")
    .summary("remove downloads")
    .description("Remove unfinished downloads and, with an option, others. Running downloads are kept.")
    .option("--older-than <span>", "also those that were last used longer ago: 12h, 30d, 4w", timeSpan)
    .option("--all", "all that are not running")
    .option("--dry-run", "print the downloads that would be removed, and remove none")
    .option("--json", "print what was removed as JSON")
    .option("--debug", "show stacks")
    .addHelpText(
      "after",
      `
Examples:
  $ servable cache prune
  $ servable cache prune --older-than 30d
  $ servable cache prune --all --dry-run`,
    )
    .action((options: PruneOptions) => runAction(options, () => prune(options)));
  for (const command of cache.commands) {
    command.showHelpAfterError(`(servable cache ${command.name()} --help shows how)`);
  }
}

async function list(options: ListOptions): Promise<void> {
  const { listDownloads } = await import("../../downloads/cached-downloads.ts");
  const { downloadCache } = await import("../../downloads/download-folders.ts");
  const cacheDirectory = downloadCache();
  const downloads = await listDownloads(cacheDirectory);
  if (options.json === true) {
    const totalBytes = downloads.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    console.log(JSON.stringify({ cacheDirectory, downloads, totalBytes }, null, 2));
    return;
  }
  if (downloads.length === 0) {
    console.log(`No downloads in ${cacheDirectory}.`);
    return;
  }
  await print(downloads);
  console.log(`\n${sumOf(downloads)} in ${cacheDirectory}`);
}

async function prune(options: PruneOptions): Promise<void> {
  const { pruneDownloads } = await import("../../downloads/cached-downloads.ts");
  const dryRun = options.dryRun ?? false;
  const result = await pruneDownloads({
    all: options.all ?? false,
    dryRun,
    ...(options.olderThan === undefined ? {} : { olderThanMs: options.olderThan }),
  });
  if (options.json === true) {
    console.log(JSON.stringify({ ...result, dryRun }, null, 2));
    return;
  }
  await print(result.removed);
  const done = dryRun ? "Would remove" : "Removed";
  console.log(result.removed.length === 0 ? "Nothing to remove." : `\n${done} ${sumOf(result.removed)}.`);
  for (const { source, path } of result.kept) console.log(`Kept ${source ?? path}: it is being downloaded.`);
}

async function print(downloads: readonly CachedDownload[]): Promise<void> {
  const { styleFor } = await import("../style.ts");
  const { terminalText } = await import("../platform/output.ts");
  const { bold, dim, yellow } = styleFor(process.stdout);
  for (const { source, commit, state, path, sizeBytes, lastUsedAt } of downloads) {
    const title = bold(terminalText(source ?? "an unknown source"));
    const facts = [
      bytesText(sizeBytes),
      commit === undefined ? undefined : `commit ${commit.slice(0, 8)}`,
      lastUsedAt === undefined ? undefined : `used ${agoText(lastUsedAt)}`,
      path,
    ];
    console.log(state === "ready" ? title : `${title} ${yellow(`(${state})`)}`);
    console.log(`  ${dim(terminalText(facts.filter((fact) => fact !== undefined).join(" · ")))}`);
  }
}

/** The number of downloads and their total size: "2 downloads, 1.5 GB". */
function sumOf(downloads: readonly CachedDownload[]): string {
  const size = downloads.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const { length } = downloads;
  return `${length} download${length === 1 ? "" : "s"}, ${bytesText(size)}`;
}
