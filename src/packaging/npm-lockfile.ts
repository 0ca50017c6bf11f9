import { UsageError } from "../errors.ts";
import { readJsonFile } from "./workspace.ts";

/** An entry of npm's lockfile: an installed package, a link, or a folder of the project. */
interface LockedPackage {
  readonly resolved?: string;
  readonly link?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** The entries of a lockfile by path relative to the project; "" is the project itself. */
export type LockedPackages = Readonly<Record<string, LockedPackage>>;

/** @throws UsageError if the file can't be read */
export function readLockedPackages(path: string): LockedPackages {
  return (readJsonFile(path) as { packages?: LockedPackages }).packages ?? {};
}

/** The paths of packages and of all that they need at run time, links together with their targets. */
export function usedPackages(locked: LockedPackages, starts: readonly string[]): ReadonlySet<string> {
  const used = new Set(starts);
  // Paths that are added in the loop are visited as well.
  for (const path of used) {
    const entry = at(locked, path);
    if (entry?.link === true) {
      used.add(entry.resolved ?? "");
      continue;
    }
    const needs = { ...entry?.peerDependencies, ...entry?.optionalDependencies, ...entry?.dependencies };
    for (const name of Object.keys(needs)) {
      const found = resolvePackage(locked, name, path);
      if (found !== undefined) used.add(found);
    }
  }
  return used;
}

/** The path at which Node finds a package from another path: in its `node_modules`, or in one above it. */
export function resolvePackage(locked: LockedPackages, name: string, from: string): string | undefined {
  const parts = from === "" ? [] : from.split("/");
  for (let length = parts.length; length >= 0; length--) {
    if (parts[length - 1] === "node_modules") continue;
    const path = [...parts.slice(0, length), "node_modules", name].join("/");
    if (at(locked, path) !== undefined) return path;
  }
  return undefined;
}

/**
 * The folders of the project that used links lead to.
 * @throws UsageError for a folder outside of the project
 */
export function linkedFolders(
  locked: LockedPackages,
  used: ReadonlySet<string>,
  refusal: (name: string, folder: string) => string,
): readonly string[] {
  const folders = new Set<string>();
  for (const path of used) {
    const { link, resolved = "" } = at(locked, path) ?? {};
    if (link !== true) continue;
    if (isOutside(resolved)) throw new UsageError(refusal(nameOf(path), resolved));
    // Some install strategies link to a store of registry packages.
    if (!/(?:^|\/)node_modules\//.test(resolved)) folders.add(resolved);
  }
  return [...folders].filter((folder) => folder !== "" && folder !== ".").sort();
}

/**
 * The files and folders of the project that packages are installed from.
 * @throws UsageError for one outside of the project
 */
export function localArchives(
  locked: LockedPackages,
  isUsed: (path: string) => boolean,
  refusal: (name: string, archive: string) => string,
): readonly string[] {
  const archives = new Set<string>();
  for (const [path, { resolved = "", link }] of Object.entries(locked)) {
    if (link === true || !resolved.startsWith("file:") || !isUsed(path)) continue;
    const archive = resolved.slice("file:".length).replace(/^\.\//, "");
    if (isOutside(archive)) throw new UsageError(refusal(nameOf(path), archive));
    archives.add(archive);
  }
  return [...archives].sort();
}

/** The `node_modules` folders of used packages, except the project's own. */
export function nestedModules(used: ReadonlySet<string>): readonly string[] {
  const folders = new Set<string>();
  for (const path of used) {
    const [, folder] = /^(.*?\/node_modules)\//.exec(path) ?? [];
    if (folder !== undefined && !path.startsWith("node_modules/")) folders.add(folder);
  }
  return [...folders].sort();
}

/** The name in a path: "@me/lib" for "packages/app/node_modules/@me/lib". */
function nameOf(path: string): string {
  return path.replace(/^.*node_modules\//, "");
}

function isOutside(path: string): boolean {
  return path === ".." || path.startsWith("../") || path.startsWith("/") || /^[A-Za-z]:/.test(path);
}

function at(locked: LockedPackages, path: string): LockedPackage | undefined {
  return Object.hasOwn(locked, path) ? locked[path] : undefined;
}
