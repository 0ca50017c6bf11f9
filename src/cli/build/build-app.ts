import { UsageError } from "../../errors.ts";
import { contextSize, secretsNotice } from "../../build-context/context-entries.ts";
import { buildImage, pushImage, type BuiltImage } from "../../packaging/build-image.ts";
import { findBuilder, type Builder } from "../../packaging/engines.ts";
import { loadApp } from "../module-loader.ts";
import { readBuildArgs } from "./image-options.ts";
import { bytesText } from "../../output/byte-amount.ts";
import { Interruption, INTERRUPTED } from "../interruption.ts";
import { styleFor } from "../style.ts";
import { parseSourceTarget } from "../source-target.ts";
import { planImage, type ImagePlan } from "./image-plan.ts";
import { assertPlatform } from "./image-options.ts";

/** Options of `servable build`. */
export interface BuildCommandOptions {
  readonly tag?: string;
  readonly push?: boolean;
  readonly platform?: string;
  readonly buildArg?: readonly string[];
  /** False for `--no-cache`. */
  readonly cache: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly debug?: boolean;
}

/** Longer lines of the builder are truncated, in characters. */
const SHOWN_LETTERS = 200;

/** Builds the image of a class, or prints its contents with `--dry-run`. Resolves to the process's exit code. */
export async function buildApp(file: string, options: BuildCommandOptions): Promise<number> {
  const buildArgs = readBuildArgs(options.buildArg);
  if (options.tag !== undefined) assertTag(options.tag);
  if (options.platform !== undefined) assertPlatform(options.platform);
  // Output of the user's modules goes to standard error: only the result may be on standard output.
  const print = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write.bind(process.stderr);
  const plan = await planImage(await loadApp(file), parseSourceTarget(file).file, buildArgs);
  const tag = options.tag ?? plan.tag;
  if (options.push === true && !tag.includes("/")) {
    throw new UsageError(`--push needs a name that has its registry: --tag ghcr.io/me/${tag}, for example.`);
  }
  if (options.dryRun === true) {
    const text = options.json === true ? asJson(describePlan(plan, options)) : planText(plan, options);
    await new Promise((resolve) => print(text, resolve));
    return 0;
  }
  using stop = new Interruption("Stopping the build…", { isPatient: true });
  let isBuilt = false;
  try {
    const builder = await findBuilder(process.env, stop.signal);
    const image = await build(builder, plan, options, stop.signal);
    isBuilt = true;
    if (options.push === true) await pushImage(builder, tag, { signal: stop.signal, onLine: showLine });
    const { bold, green } = styleFor(process.stderr);
    const size = image.sizeBytes === undefined ? "" : `, ${bytesText(image.sizeBytes)}`;
    const result = { ...image, builder: builder.command, pushed: options.push ?? false };
    if (options.json !== true) {
      const done = options.push === true ? "Built and pushed" : "Built";
      process.stderr.write(`${green("●")} ${done} ${bold(image.tag)}${size}, by ${builder.command}\n`);
    }
    await new Promise((resolve) => print(options.json === true ? asJson(result) : `${image.tag}\n`, resolve));
    return 0;
  } catch (error) {
    if (!stop.caused(error)) throw error;
    const left = isBuilt
      ? `${tag} is built, but not pushed.`
      : "Nothing is left but layers in the builder's cache.";
    process.stderr.write(`Cancelled. ${left}\n`);
    return INTERRUPTED;
  }
}

async function build(
  builder: Builder,
  plan: ImagePlan,
  options: BuildCommandOptions,
  signal: AbortSignal,
): Promise<BuiltImage> {
  const sum = `${plan.entries.length} files and folders, ${bytesText(contextSize(plan.entries))}`;
  const notice = secretsNotice(plan.secrets);
  if (notice !== undefined) process.stderr.write(`${notice}\n`);
  showLine(`Building with ${builder.command} from ${sum} in ${plan.directory}`);
  return buildImage(builder, {
    dockerfile: plan.dockerfile,
    entries: plan.entries,
    tag: options.tag ?? plan.tag,
    buildArgs: plan.image.buildArgs,
    secrets: plan.image.secrets,
    noCache: !options.cache,
    signal,
    onLine: showLine,
    ...(options.platform === undefined ? {} : { platform: options.platform }),
  });
}

function showLine(line: string): void {
  process.stderr.write(`${styleFor(process.stderr).dim(shortened(line))}\n`);
}

/** A builder may print a label with a whole document in it. */
function shortened(line: string): string {
  return line.length > SHOWN_LETTERS ? `${line.slice(0, SHOWN_LETTERS)}…` : line;
}

function assertTag(tag: string): void {
  const name = String.raw`[a-z0-9]+(?:[._-]+[a-z0-9]+)*`;
  const host = String.raw`[A-Za-z0-9.-]+(?::\d+)?`;
  if (new RegExp(`^(?:${host}/)?${name}(?:/${name})*(?::\\w[\\w.-]{0,127})?$`).test(tag)) return;
  throw new UsageError(
    `"${tag}" is not a valid image name; write one like my-app:1.0 or ghcr.io/me/my-app:1.0, in lower case.`,
  );
}

function describePlan(plan: ImagePlan, options: BuildCommandOptions): object {
  return {
    tag: options.tag ?? plan.tag,
    dockerfile: plan.dockerfile,
    directory: plan.directory,
    files: plan.entries
      .filter(({ kind }) => kind !== "folder")
      .map(({ path, size, mode }) => ({ path, sizeBytes: size, mode: mode.toString(8) })),
    totalBytes: contextSize(plan.entries),
    leftOut: plan.secrets,
  };
}

function planText(plan: ImagePlan, options: BuildCommandOptions): string {
  const files = plan.entries.filter(({ kind }) => kind !== "folder");
  const sizes = files.map(({ size }) => bytesText(size));
  const notice = secretsNotice(plan.secrets);
  const width = Math.max(0, ...sizes.map((size) => size.length));
  return [
    plan.dockerfile.trimEnd(),
    "",
    ...files.map(({ path }, index) => `# ${sizes[index]?.padStart(width)}  ${path}`),
    `# ${files.length} ${files.length === 1 ? "file" : "files"}, ${bytesText(contextSize(files))}, in ${plan.directory}`,
    ...(notice === undefined ? [] : [`# ${notice}`]),
    `# The image would be called ${options.tag ?? plan.tag}.`,
    "",
  ].join("\n");
}

function asJson(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
