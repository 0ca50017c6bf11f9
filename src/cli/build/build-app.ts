import { UsageError } from "../../errors.ts";
import { contextSize } from "../../packaging/build-context.ts";
import { buildImage, pushImage, type BuiltImage } from "../../packaging/build-image.ts";
import { findBuilder } from "../../packaging/builders.ts";
import { loadApp } from "../app-loader.ts";
import { readBuildArgs } from "../build-args.ts";
import { bytes } from "../env/amounts.ts";
import { Interruption, INTERRUPTED } from "../interruption.ts";
import { styleFor } from "../style.ts";
import { parseTarget } from "../target.ts";
import { planImage, type ImagePlan } from "./image-plan.ts";

/** What `servable build` takes beside the file. */
export interface BuildOptions {
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

/** So much of one line of the builder's is shown. */
const SHOWN_LETTERS = 200;

/** Builds the image of a class, or says what it would be made of. Resolves to the process's exit code. */
export async function buildApp(file: string, options: BuildOptions): Promise<number> {
  const buildArgs = readBuildArgs(options.buildArg);
  if (options.tag !== undefined) assertTag(options.tag);
  // What the user's modules print must not get into what is printed here.
  const print = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write.bind(process.stderr);
  const plan = await planImage(await loadApp(file), parseTarget(file).file, buildArgs);
  if (options.dryRun === true) {
    const text = options.json === true ? asJson(describePlan(plan, options)) : planText(plan, options);
    await new Promise((resolve) => print(text, resolve));
    return 0;
  }
  using stop = new Interruption("Stopping the build…", { isPatient: true });
  try {
    const { image, builder } = await build(plan, options, stop.signal);
    const { bold, green } = styleFor(process.stderr);
    const size = image.sizeBytes === undefined ? "" : `, ${bytes(image.sizeBytes)}`;
    const result = { ...image, builder, pushed: options.push ?? false };
    if (options.json !== true) {
      const done = options.push === true ? "Built and pushed" : "Built";
      process.stderr.write(`${green("●")} ${done} ${bold(image.tag)}${size}, by ${builder}\n`);
    }
    await new Promise((resolve) => print(options.json === true ? asJson(result) : `${image.tag}\n`, resolve));
    return 0;
  } catch (error) {
    if (!stop.caused(error)) throw error;
    process.stderr.write("Cancelled. Nothing is left but layers in the builder's cache.\n");
    return INTERRUPTED;
  }
}

async function build(
  plan: ImagePlan,
  options: BuildOptions,
  signal: AbortSignal,
): Promise<{ image: BuiltImage; builder: string }> {
  const builder = await findBuilder(process.env, signal);
  const { dim } = styleFor(process.stderr);
  const onLine = (line: string): void => void process.stderr.write(`${dim(shortened(line))}\n`);
  const sum = `${plan.entries.length} files and folders, ${bytes(contextSize(plan.entries))}`;
  onLine(`Building with ${builder.command} from ${sum} in ${plan.directory}`);
  const image = await buildImage(builder, {
    dockerfile: plan.dockerfile,
    entries: plan.entries,
    tag: options.tag ?? plan.tag,
    buildArgs: plan.image.buildArgs,
    secrets: plan.image.secrets,
    noCache: !options.cache,
    signal,
    onLine,
    ...(options.platform === undefined ? {} : { platform: options.platform }),
  });
  if (options.push === true) await pushImage(builder, image.tag, { signal, onLine });
  return { image, builder: builder.command };
}

/** A label of a builder's own words may be a whole document. */
function shortened(line: string): string {
  return line.length > SHOWN_LETTERS ? `${line.slice(0, SHOWN_LETTERS)}…` : line;
}

function assertTag(tag: string): void {
  const name = String.raw`[a-z0-9]+(?:[._-]+[a-z0-9]+)*`;
  const host = String.raw`[A-Za-z0-9.-]+(?::\d+)?`;
  if (new RegExp(`^(?:${host}/)?${name}(?:/${name})*(?::\\w[\\w.-]{0,127})?$`).test(tag)) return;
  throw new UsageError(
    `"${tag}" is no name of an image; write one like my-app:1.0 or ghcr.io/me/my-app:1.0, in lower case.`,
  );
}

function describePlan(plan: ImagePlan, options: BuildOptions): object {
  return {
    tag: options.tag ?? plan.tag,
    dockerfile: plan.dockerfile,
    directory: plan.directory,
    files: plan.entries
      .filter(({ kind }) => kind !== "folder")
      .map(({ path, size, mode }) => ({ path, sizeBytes: size, mode: mode.toString(8) })),
    totalBytes: contextSize(plan.entries),
  };
}

function planText(plan: ImagePlan, options: BuildOptions): string {
  const files = plan.entries.filter(({ kind }) => kind !== "folder");
  const sizes = files.map(({ size }) => bytes(size));
  const width = Math.max(0, ...sizes.map((size) => size.length));
  return [
    plan.dockerfile.trimEnd(),
    "",
    ...files.map(({ path }, index) => `# ${sizes[index]?.padStart(width)}  ${path}`),
    `# ${files.length} ${files.length === 1 ? "file" : "files"}, ${bytes(contextSize(files))}, in ${plan.directory}`,
    `# The image would be called ${options.tag ?? plan.tag}.`,
    "",
  ].join("\n");
}

function asJson(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
