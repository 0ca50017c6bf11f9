import { readFile } from "node:fs/promises";
import { dirname, extname, relative, resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Plugin } from "esbuild";
import { findUp, packageType } from "../../typescript/package-files.ts";
import { BUNDLE_FILES, createBundle, type Bundle, type PackageImport } from "./bundle.ts";
import { runEsbuild, textOf } from "./esbuild.ts";
import { packageNameOf } from "./specifiers.ts";
import { programCode } from "./programs.ts";
import { resolvePlugin, type OutsideImport } from "./resolve-plugin.ts";

/** Options of {@link bundleModule}. */
export interface BundleOptions {
  /** `file:` URL of the module that defines the function. */
  readonly module: string;
  /** Packages that are bundled although they are in `node_modules`. */
  readonly localModules?: readonly string[];
  /** The function is served: the server is bundled too. Default false. */
  readonly isServed?: boolean;
}

/**
 * Provides the bundle's exports before its evaluation, which may never end: a program that calls an isolated function at
 * its top level waits there. Defines `require` for bundled CommonJS modules.
 */
const BANNER = `import * as __servableExports from "./${BUNDLE_FILES.code}";
import { createRequire as __servableCreateRequire } from "node:module";
const require = __servableCreateRequire(import.meta.url);
globalThis[Symbol.for("servable.bundle")]?.(__servableExports);`;

/**
 * Replaces `module` in TypeScript that is written as ES modules and meant to be compiled to CommonJS. Its `parent` says
 * that it is not the main module.
 */
const COMMONJS_MODULE = "__servableModule";
const COMMONJS_BANNER = `const ${COMMONJS_MODULE} = { exports: {}, parent: {}, children: [], require };`;

/**
 * Bundles the module that defines an isolated function.
 * @throws FalServerlessError with code BUNDLE_FAILED if a module can't be parsed or found
 */
export async function bundleModule({
  module,
  localModules = [],
  isServed = false,
}: BundleOptions): Promise<Bundle> {
  const file = fileURLToPath(module);
  const root = rootOf(file);
  const outside: OutsideImport[] = [];
  const conditions = ownConditions();
  const isCommonJs = mayBeCommonJs(file);
  const [output, runner, host] = await Promise.all([
    runEsbuild({
      entryPoints: [file],
      // Comments in the code name its files relative to this folder, independent of the current directory.
      absWorkingDir: root,
      // Not written; paths in the source map are relative to it.
      outfile: resolve(root, BUNDLE_FILES.code),
      sourcemap: "linked",
      sourcesContent: false,
      banner: { js: isCommonJs ? `${BANNER}\n${COMMONJS_BANNER}` : BANNER },
      // Replaces only undeclared names: real CommonJS modules get a `module` of their own.
      ...(isCommonJs ? { define: { module: COMMONJS_MODULE } } : {}),
      conditions,
      plugins: [
        entryPlugin(file),
        resolvePlugin({ localModules, isServed, conditions, onOutside: (found) => outside.push(found) }),
      ],
    }),
    programCode("runner"),
    programCode("host"),
  ]);
  return createBundle({
    module: relativePath(root, file),
    code: textOf(output, ".mjs"),
    map: textOf(output, ".map"),
    runner,
    host,
    imports: outside.map((found) => packageImport(root, found)),
    root: pathToFileURL(root + sep).href,
  });
}

/** The folder of the nearest package.json, otherwise the module's own folder. */
function rootOf(file: string): string {
  const manifest = findUp("package.json", dirname(file));
  return dirname(manifest ?? file);
}

/** Whether Node, or a compiler for Node, may treat a file as CommonJS. */
function mayBeCommonJs(file: string): boolean {
  const extension = extname(file);
  return !extension.startsWith(".m") && packageType(dirname(file)) !== "module";
}

function relativePath(root: string, file: string): string {
  return relative(root, file).replaceAll(sep, "/");
}

function packageImport(root: string, { specifier, importer, isDynamic }: OutsideImport): PackageImport {
  const packageName = packageNameOf(specifier);
  return { packageName, specifier, importer: relativePath(root, importer), isDynamic };
}

/** The `--conditions` of this process, by which packages select their files. */
function ownConditions(): string[] {
  const options = [...process.execArgv, ...(process.env["NODE_OPTIONS"] ?? "").split(/\s+/)];
  return options.flatMap((option, index) => {
    if (option === "-C" || option === "--conditions") return options[index + 1] ?? [];
    return /^--conditions=(.+)$/.exec(option)?.[1] ?? [];
  });
}

/**
 * Ignores the source map of a compiled entry module: a definition is found by its location in the file that Node has
 * loaded, not in the original source.
 */
function entryPlugin(file: string): Plugin {
  const isEntry = new RegExp(`^${file.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")}$`);
  return {
    name: "entry module as it is",
    setup(build) {
      build.onLoad({ filter: isEntry, namespace: "file" }, async ({ path }) => {
        if (!/\.[cm]?jsx?$/.test(path)) return undefined;
        const text = await readFile(path, "utf8");
        const contents = text.replaceAll(/^\/\/[#@] sourceMappingURL=.*$/gm, "//");
        return { contents, loader: path.endsWith("x") ? "jsx" : "js" };
      });
    },
  };
}
