import { dirname, extname, relative, resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { BuildFailure, BuildOptions, Message, OutputFile } from "esbuild";
import { FalServerlessError } from "../../errors.ts";
import { findUp } from "../../typescript/package-files.ts";
import { BUNDLE_FILES, createBundle, type Bundle, type PackageImport } from "./bundle.ts";
import { entryPlugin } from "./entry-plugin.ts";
import { packageNameOf } from "./package-imports.ts";
import { OWN_FOLDER } from "./own-entry.ts";
import { resolvePlugin, type OutsideImport } from "./resolve-plugin.ts";

/** What is bundled. */
export interface BundleOptions {
  /** `file:` URL of the module that defines the function. */
  readonly module: string;
  /** Packages that are taken in, though they lie in `node_modules`. */
  readonly localModules?: readonly string[];
  /** The function is served: what serves it is taken in. Default false. */
  readonly isServed?: boolean;
}

/** Bundles run on the oldest Node that this package supports. */
const TARGET = "node20.19";

/**
 * The code hands out its exports as soon as it is evaluated, since the evaluation may never end: a program that calls
 * an isolated function on its top level waits there. CommonJS in a bundle needs `require`.
 */
const BANNER = `import * as __servableExports from "./${BUNDLE_FILES.code}";
import { createRequire as __servableCreateRequire } from "node:module";
const require = __servableCreateRequire(import.meta.url);
globalThis[Symbol.for("servable.bundle")]?.(__servableExports);`;

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

/**
 * Bundles the module that defines an isolated function.
 * @throws FalServerlessError with code BUNDLE_FAILED when a module can't be parsed or found
 */
export async function bundleModule({
  module,
  localModules = [],
  isServed = false,
}: BundleOptions): Promise<Bundle> {
  const file = fileURLToPath(module);
  const root = rootOf(file);
  const outside: OutsideImport[] = [];
  const [output, runner] = await Promise.all([
    build({
      ...COMMON,
      entryPoints: [file],
      // The code names its files in comments: as they lie to each other, wherever the program was started.
      absWorkingDir: root,
      // Nothing is written; paths in the source map are relative to it.
      outfile: resolve(root, BUNDLE_FILES.code),
      sourcemap: "linked",
      sourcesContent: false,
      banner: { js: BANNER },
      conditions: ownConditions(),
      plugins: [
        entryPlugin(file),
        resolvePlugin({ localModules, isServed, onOutside: (found) => outside.push(found) }),
      ],
    }),
    runnerCode(),
  ]);
  return createBundle({
    module: relativePath(root, file),
    code: textOf(output, ".mjs"),
    map: textOf(output, ".map"),
    runner,
    imports: outside.map((found) => packageImport(root, found)),
    root: pathToFileURL(root + sep).href,
  });
}

let runner: Promise<string> | undefined;

/** The code of the runner, which is the same for every bundle. */
function runnerCode(): Promise<string> {
  return (runner ??= buildProgram(new URL(`../runner/main${extname(import.meta.url)}`, import.meta.url)));
}

/**
 * Bundles a program of this package into one ES module that needs nothing but Node.
 * @param entry `file:` URL of its first module
 */
export async function buildProgram(entry: URL): Promise<string> {
  const files = await build({
    ...COMMON,
    entryPoints: [fileURLToPath(entry)],
    absWorkingDir: OWN_FOLDER,
    outfile: "program.mjs",
    minifySyntax: true,
    plugins: [resolvePlugin({ localModules: [], isServed: false, onOutside: () => {} })],
  });
  return textOf(files, ".mjs");
}

async function build(
  options: BuildOptions & { readonly absWorkingDir: string },
): Promise<readonly OutputFile[]> {
  const esbuild = await import("esbuild");
  try {
    const { outputFiles = [] } = await esbuild.build(options);
    return outputFiles;
  } catch (error) {
    throw explain(error, options.absWorkingDir);
  }
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

/** The folder of the nearest package.json, else the module's own. */
function rootOf(file: string): string {
  const manifest = findUp("package.json", dirname(file));
  return dirname(manifest ?? file);
}

function relativePath(root: string, file: string): string {
  return relative(root, file).replaceAll(sep, "/");
}

function packageImport(root: string, { specifier, importer, isDynamic }: OutsideImport): PackageImport {
  const packageName = packageNameOf(specifier);
  return { packageName, specifier, importer: relativePath(root, importer), isDynamic };
}

function textOf(files: readonly OutputFile[], extension: string): string {
  const file = files.find(({ path }) => path.endsWith(extension));
  if (file === undefined)
    throw new FalServerlessError("INTERNAL_FAILURE", `The bundler made no ${extension}.`);
  return file.text;
}

/** What `--conditions` of this process says of which files packages are made. */
function ownConditions(): string[] {
  const options = [...process.execArgv, ...(process.env["NODE_OPTIONS"] ?? "").split(/\s+/)];
  return options.flatMap((option, index) => {
    if (option === "-C" || option === "--conditions") return options[index + 1] ?? [];
    return /^--conditions=(.+)$/.exec(option)?.[1] ?? [];
  });
}
