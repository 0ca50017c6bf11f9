import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { UsageError } from "../errors.ts";
import { PathGlob } from "../build-context/globs.ts";

/** The fields of a package.json that count here. */
export interface PackageJson {
  readonly workspaces?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** A workspace that a package is part of. */
export interface Workspace {
  /** The folder of its root. */
  readonly directory: string;
  /** The package's folder below it, with `/` between its parts. */
  readonly folder: string;
  readonly manifest: PackageJson;
}

const PNPM_WORKSPACE = "pnpm-workspace.yaml";

/**
 * Finds the workspace that a package is part of: the nearest package.json above it whose "workspaces" name its folder, or
 * the nearest folder with pnpm's file of workspaces.
 * @param directory the package's folder, absolute
 * @throws UsageError for a package.json that can't be read
 */
export function findWorkspace(directory: string): Workspace | undefined {
  for (let root = dirname(directory); ; root = dirname(root)) {
    const path = join(root, "package.json");
    const manifest = existsSync(path) ? readPackageJson(path) : {};
    const folder = relative(root, directory).split(sep).join("/");
    if (existsSync(join(root, PNPM_WORKSPACE)) || isMember(folder, workspaceGlobs(manifest))) {
      return { directory: root, folder, manifest };
    }
    if (dirname(root) === root) return undefined;
  }
}

/** The globs of a root's package.json: a list, or one in an object, as Yarn has it. */
export function workspaceGlobs({ workspaces }: PackageJson): readonly string[] {
  const isObject = typeof workspaces === "object" && workspaces !== null && !Array.isArray(workspaces);
  const list = isObject ? (workspaces as { packages?: unknown }).packages : workspaces;
  return Array.isArray(list) ? list.filter((glob) => typeof glob === "string") : [];
}

/** @throws UsageError when it can't be read */
export function readPackageJson(path: string): PackageJson {
  return readJsonFile(path) as PackageJson;
}

/** @throws UsageError when a file is not there, or no JSON object */
export function readJsonFile(path: string): object {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8").replace(/^\uFEFF/, ""));
    if (typeof value === "object" && value !== null) return value;
    throw new Error("it is not an object.");
  } catch (error) {
    throw new UsageError(`${path} can't be read: ${(error as Error).message}`, { cause: error });
  }
}

/** Whether the globs of a workspace name a folder. The last glob that matches decides; `!` excludes a folder. */
export function isMember(folder: string, globs: readonly string[]): boolean {
  const matching = globs.flatMap(withoutBraces).findLast((glob) => {
    const segments = glob.replace(/^!/, "").split("/");
    const path = segments.filter((segment) => segment !== "" && segment !== ".");
    return new PathGlob([...path, "package.json"].join("/")).match(`${folder}/package.json`) === "self";
  });
  return matching !== undefined && !matching.startsWith("!");
}

/** `{a,b}` as one glob each. */
function withoutBraces(glob: string): readonly string[] {
  const [whole, before = "", choices = "", behind = ""] = /^(.*?)\{([^{}]*)\}(.*)$/.exec(glob) ?? [];
  if (whole === undefined) return [glob];
  return choices.split(",").flatMap((choice) => withoutBraces(`${before}${choice}${behind}`));
}
