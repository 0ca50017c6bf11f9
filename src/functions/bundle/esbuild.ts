import { createRequire } from "node:module";
import { relative, resolve } from "node:path";
import type * as Esbuild from "esbuild";
import type { BuildFailure, BuildOptions, Message, OutputFile } from "esbuild";
import { FalServerlessError } from "../../errors.ts";

const require = createRequire(import.meta.url);

/** Code runs on the oldest Node that this package supports. */
const TARGET = "node20.19";

const COMMON = {
  bundle: true,
  format: "esm",
  platform: "node",
  target: TARGET,
  // Names are part of messages and stacks.
  keepNames: true,
  charset: "utf8",
  write: false,
  logLevel: "silent",
} as const satisfies BuildOptions;

/** What is bundled, and how. Paths in messages and comments are relative to `absWorkingDir`. */
export type Build = BuildOptions & { readonly absWorkingDir: string };

/**
 * Bundles to one ES module for Node. Nothing is written.
 * @throws FalServerlessError with code BUNDLE_FAILED when a module can't be parsed or found
 */
export async function runEsbuild(options: Build): Promise<readonly OutputFile[]> {
  // As a CommonJS package it is loaded faster by require() than by import().
  const { build } = require("esbuild") as typeof Esbuild;
  try {
    const { outputFiles = [] } = await build({ ...COMMON, ...options });
    return outputFiles;
  } catch (error) {
    throw explain(error, options.absWorkingDir);
  }
}

/** The text of the one output with that extension. */
export function textOf(files: readonly OutputFile[], extension: string): string {
  const file = files.find(({ path }) => path.endsWith(extension));
  if (file !== undefined) return file.text;
  throw new FalServerlessError("INTERNAL_FAILURE", `The bundler made no ${extension}.`);
}

function explain(error: unknown, root: string): unknown {
  const { errors } = error as Partial<BuildFailure>;
  const [first] = errors ?? [];
  if (first === undefined) return error;
  const rest = (errors?.length ?? 1) - 1;
  const more = rest === 0 ? "" : ` (and ${rest} more)`;
  const message = `An isolated function's module can't be bundled: ${describe(first, root)}${more}`;
  return new FalServerlessError("BUNDLE_FAILED", message, { cause: error });
}

/** @param root the folder that the places of messages are relative to */
function describe({ text, location }: Message, root: string): string {
  if (location === null) return text;
  const file = relative(process.cwd(), resolve(root, location.file));
  return `${text}\n  at ${file}:${location.line}:${location.column + 1}`;
}
