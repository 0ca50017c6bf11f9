import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { UsageError } from "../errors.ts";
import { PathGlob } from "../build-context/globs.ts";

/** The fields of a package.json that are read. */
export interface PackageJson {
  readonly name?: unknown;
  readonly workspaces?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** The workspace of a package. */
export interface Workspace {
  /** The folder of its root. */
  readonly directory: string;
  /** The package's folder relative to the root, with `/` between the segments. */
  readonly folder: string;
  readonly manifest: PackageJson;
}

const PNPM_WORKSPACE = "pnpm-workspace.yaml";

/**
 * Finds the workspace of a package: the nearest folder above it whose package.json lists it under "workspaces", or that
 * has a pnpm-workspace.yaml.
 * @param directory the package's folder, absolute
 * @throws UsageError if a package.json can't be read
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

/** The globs of a root's package.json: a list, or an object with a list, which Yarn allows. */
export function workspaceGlobs({ workspaces }: PackageJson): readonly string[] {
  const isObject = typeof workspaces === "object" && workspaces !== null && !Array.isArray(workspaces);
  const list = isObject ? (workspaces as { packages?: unknown }).packages : workspaces;
  return Array.isArray(list) ? list.filter((glob) => typeof glob === "string") : [];
}

/** @throws UsageError if it can't be read */
export function readPackageJson(path: string): PackageJson {
  return readJsonFile(path) as PackageJson;
}

/** @throws UsageError if the file is missing or is not a JSON object */
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

/** Expands `{a,b}` into one glob each. */
function withoutBraces(glob: string): readonly string[] {
  const [whole, before = "", choices = "", behind = ""] = /^(.*?)\{([^{}]*)\}(.*)$/.exec(glob) ?? [];
  if (whole === undefined) return [glob];
  return choices.split(",").flatMap((choice) => withoutBraces(`${before}${choice}${behind}`));
}
