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

/** What `functions/served-function` imports late: a bundle of a function that is called does without. */
const SERVING = /^\.\.\/servable\/(?:serve-wrapper|base-servable)\.[jt]s$/;

/** What bundles functions, and what runs them on this machine, is imported late: there it is not, or lies beside. */
const HOSTING =
  /(?:^\.\/|\/)(?:local-runs|serverless-runs|registration|bundle\/bundler|bundle\/programs)\.[jt]s$/;

/** No file, and not marked as Node's own: each question costs a way from the bundler's process and back. */
const PERHAPS_BARE = /^(?:[^./#n]|n(?:[^o]|$)|no(?:[^d]|$)|nod(?:[^e]|$)|node(?:[^:]|$))/;

/** An entry of `imports` in package.json. */
const PRIVATE = /^#/;

/** Marks the plugin's own questions to the resolver. */
const ASKED = Symbol("asked");

/** What goes into a bundle, and whom to tell of what does not. */
export interface ResolvePluginOptions {
  /** Packages that are taken in although they lie in `node_modules`. */
  readonly localModules: readonly string[];
  /** The function is served, and needs what serves it. */
  readonly isServed: boolean;
  /** Which files packages are made of, beside Node's own conditions. */
  readonly conditions: readonly string[];
  /** Told of every package that is left outside. */
  onOutside(outside: OutsideImport): void;
}

/**
 * Local modules in, packages out: a package is what lies in a `node_modules` folder, or nowhere at all. Links into the
 * user's own folders (workspaces), paths of a tsconfig.json and `#imports` are local, unless one of these leads to a
 * package, and so is what is listed.
 */
export function resolvePlugin(options: ResolvePluginOptions): Plugin {
  const { localModules, isServed, conditions, onOutside } = options;
  /** @param specifier what it is called in the bundle */
  const leaveOutside = async (args: OnResolveArgs, specifier: string): Promise<OnResolveResult> => {
    const isDynamic = args.kind !== "import-statement";
    onOutside({ specifier, importer: args.importer, isDynamic });
    // One of which nothing is used is not imported for what it may do when loaded, unless that is what is asked for.
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
        // What this package imports late belongs to serving, and is among the requirements of a served function.
        if (args.importer.startsWith(OWN_FOLDER)) {
          return args.kind === "import-statement"
            ? undefined
            : { path: args.path, external: true, sideEffects: false };
        }
        if (isInPackage(args.importer) || isListed(args.path, localModules)) return undefined;
        return (await isLocal(build, args)) ? undefined : leaveOutside(args, args.path);
      });
      // There is no package.json where the bundle runs: what an entry of it leads to stands in its place.
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

/** Whether a file imports a package for what it does when it is loaded, and not for a name: `import "polyfill"`. */
async function isForEffect({ path, importer }: OnResolveArgs): Promise<boolean> {
  const text = await readFile(importer, "utf8").catch(() => "");
  return [...text.matchAll(EFFECT_IMPORT)].some(([, specifier]) => specifier === path);
}

const EFFECT_IMPORT = /\bimport\s*["']([^"'\n]+)["']/g;

/** Where the narrowed entries of this package are. */
const NARROW = "servable";

async function resolveOwn(
  path: string,
  { path: specifier, importer }: OnResolveArgs,
): Promise<OnResolveResult> {
  const contents = specifier === "servable" ? await narrowEntry(importer) : undefined;
  if (contents === undefined) return { path, sideEffects: false };
  return { path: importer, namespace: NARROW, pluginData: contents, sideEffects: false };
}

/** What a package that was taken in imports is taken in as well. */
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
