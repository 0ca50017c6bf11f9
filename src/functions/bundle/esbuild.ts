import { createRequire } from "node:module";
import { relative, resolve } from "node:path";
import type * as Esbuild from "esbuild";
import type { BuildFailure, BuildOptions, Message, OutputFile } from "esbuild";
import { FalServerlessError } from "../../errors.ts";

const require = createRequire(import.meta.url);

/** The oldest Node that this package supports. */
const TARGET = "node20.19";

const COMMON = {
  bundle: true,
  format: "esm",
  platform: "node",
  target: TARGET,
  // Messages and stacks contain names.
  keepNames: true,
  charset: "utf8",
  write: false,
  logLevel: "silent",
} as const satisfies BuildOptions;

/** Options of a build. Paths in messages and comments are relative to `absWorkingDir`. */
export type Build = BuildOptions & { readonly absWorkingDir: string };

/**
 * Bundles to one ES module for Node. Writes nothing.
 * @throws FalServerlessError with code BUNDLE_FAILED if a module can't be parsed or found
 */
export async function runEsbuild(options: Build): Promise<readonly OutputFile[]> {
  // A CommonJS package: require() loads it faster than import().
  const { build } = require("esbuild") as typeof Esbuild;
  try {
    const { outputFiles = [] } = await build({ ...COMMON, ...options });
    return outputFiles;
  } catch (error) {
    throw explain(error, options.absWorkingDir);
  }
}

/** The text of the output with an extension. */
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

/** @param root the folder that paths in messages are relative to */
function describe({ text, location }: Message, root: string): string {
  if (location === null) return text;
  const file = relative(process.cwd(), resolve(root, location.file));
  return `${text}\n  at ${file}:${location.line}:${location.column + 1}`;
}
