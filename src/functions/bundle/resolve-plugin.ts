import { readFile } from "node:fs/promises";
import { sep } from "node:path";
import type { OnResolveArgs, OnResolveResult, Plugin, PluginBuild } from "esbuild";
import { narrowEntry, OWN_FOLDER, ownEntry } from "./own-entry.ts";
import { importsTarget, isBare, isBuiltin, packageNameOf } from "./specifiers.ts";

/** An import that stays outside of the bundle. */
export interface OutsideImport {
  readonly specifier: string;
  /** Path of the file that imports it. */
  readonly importer: string;
  readonly isDynamic: boolean;
}

/**
 * Modules that `functions/served-function` imports by `import()`. The bundle of a function that is not served does not
 * need them.
 */
const SERVING = /^\.\.\/servable\/(?:serve-wrapper|base-servable)\.[jt]s$/;

/**
 * Modules for bundling and hosting that are imported by `import()`. A bundle does not need them, or has them as a
 * separate file next to it.
 */
const HOSTING =
  /(?:^\.\/|\/)(?:local-runs|serverless-runs|registration|bundle\/bundler|bundle\/programs)\.[jt]s$/;

/**
 * Matches bare specifiers, except those with "node:". The filter is narrow, because each match costs a round trip to
 * the bundler's process.
 */
const PERHAPS_BARE = /^(?:[^./#n]|n(?:[^o]|$)|no(?:[^d]|$)|nod(?:[^e]|$)|node(?:[^:]|$))/;

/** An entry of `imports` in package.json. */
const PRIVATE = /^#/;

/** Marks the plugin's own requests to the resolver. */
const ASKED = Symbol("asked");

/** Options of {@link resolvePlugin}. */
export interface ResolvePluginOptions {
  /** Packages that are bundled although they are in `node_modules`. */
  readonly localModules: readonly string[];
  /** The function is served, and the server is bundled. */
  readonly isServed: boolean;
  /** Conditions for `exports` and `imports` of packages, in addition to Node's own. */
  readonly conditions: readonly string[];
  /** Called for each import of a package that is not bundled. */
  onOutside(outside: OutsideImport): void;
}

/**
 * Bundles local modules and leaves packages out. A specifier is a package if it resolves into a `node_modules` folder or
 * not at all. Links into the user's own folders (workspaces), paths of a tsconfig.json and `#imports` are local unless
 * they lead to a package. Listed packages are bundled too.
 */
export function resolvePlugin(options: ResolvePluginOptions): Plugin {
  const { localModules, isServed, conditions, onOutside } = options;
  /** @param specifier the specifier in the bundle */
  const leaveOutside = async (args: OnResolveArgs, specifier: string): Promise<OnResolveResult> => {
    const isDynamic = args.kind !== "import-statement";
    onOutside({ specifier, importer: args.importer, isDynamic });
    // An unused import is dropped unless it is written for its side effects.
    return { path: specifier, external: true, sideEffects: !isDynamic && (await isForEffect(args)) };
  };
  return {
    name: "local modules in, packages out",
    setup(build) {
      const late = isServed ? [HOSTING] : [HOSTING, SERVING];
      for (const filter of late) {
        build.onResolve({ filter }, ({ importer, kind, path }) => {
          const isLate = kind === "dynamic-import" && importer.startsWith(OWN_FOLDER);
          return isLate ? { path, external: true } : undefined;
        });
      }
      build.onResolve({ filter: PERHAPS_BARE }, async (args) => {
        if (args.kind === "entry-point" || args.pluginData === ASKED) return undefined;
        if (isBuiltin(args.path)) return { path: args.path, external: true, sideEffects: false };
        if (!isBare(args.path)) return undefined;
        const own = ownEntry(args.path);
        if (own !== undefined) return resolveOwn(own, args);
        // Packages that this package imports by `import()` are needed to serve functions, and are among the
        // requirements of served functions.
        if (args.importer.startsWith(OWN_FOLDER)) {
          return args.kind === "import-statement"
            ? undefined
            : { path: args.path, external: true, sideEffects: false };
        }
        if (isInPackage(args.importer) || isListed(args.path, localModules)) return undefined;
        return (await isLocal(build, args)) ? undefined : leaveOutside(args, args.path);
      });
      // There is no package.json where the bundle runs, so an entry of `imports` is replaced by its target.
      build.onResolve({ filter: PRIVATE }, async (args) => {
        const { path, importer, kind } = args;
        if (kind === "entry-point" || args.pluginData === ASKED || isInPackage(importer)) return undefined;
        if (await isLocal(build, args)) return undefined;
        const isRequired = kind === "require-call" || kind === "require-resolve";
        const target = importsTarget(path, { importer, isRequired, conditions });
        if (target === undefined) return undefined;
        const own = ownEntry(target);
        if (own !== undefined) return { path: own, sideEffects: false };
        if (isBuiltin(target)) return { path: target, external: true, sideEffects: false };
        return isBare(target) && !isListed(target, localModules) ? leaveOutside(args, target) : undefined;
      });
      build.onLoad({ filter: /./, namespace: NARROW }, ({ pluginData }) => {
        return { contents: pluginData as string, resolveDir: OWN_FOLDER };
      });
    },
  };
}

/** Whether a file imports a package for its side effects only: `import "polyfill"`. */
async function isForEffect({ path, importer }: OnResolveArgs): Promise<boolean> {
  const text = await readFile(importer, "utf8").catch(() => "");
  return [...text.matchAll(EFFECT_IMPORT)].some(([, specifier]) => specifier === path);
}

const EFFECT_IMPORT = /\bimport\s*["']([^"'\n]+)["']/g;

/** The namespace of the narrowed entries of this package. */
const NARROW = "servable";

async function resolveOwn(
  path: string,
  { path: specifier, importer }: OnResolveArgs,
): Promise<OnResolveResult> {
  const contents = specifier === "servable" ? await narrowEntry(importer) : undefined;
  if (contents === undefined) return { path, sideEffects: false };
  return { path: importer, namespace: NARROW, pluginData: contents, sideEffects: false };
}

/** Whether a file belongs to a package. The imports of a bundled package are bundled too. */
function isInPackage(file: string): boolean {
  return file.includes(`${sep}node_modules${sep}`);
}

function isListed(specifier: string, localModules: readonly string[]): boolean {
  return localModules.includes(packageNameOf(specifier)) || localModules.includes(specifier);
}

async function isLocal(build: PluginBuild, args: OnResolveArgs): Promise<boolean> {
  const { importer, kind, namespace, resolveDir } = args;
  const found = await build.resolve(args.path, { importer, kind, namespace, resolveDir, pluginData: ASKED });
  return found.errors.length === 0 && !found.external && !isInPackage(found.path);
}
