import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { UsageError } from "../errors.ts";
import { compilerSettings } from "./compiler-settings.ts";
import {
  linkedFolders,
  localArchives,
  nestedModules,
  readLockedPackages,
  resolvePackage,
  usedPackages,
  type LockedPackages,
} from "./npm-lockfile.ts";
import {
  findWorkspace,
  isMember,
  readPackageJson,
  workspaceGlobs,
  type PackageJson,
  type Workspace,
} from "./workspace.ts";

/** An npm project that an image is built from: a package, or a package of a workspace with those that it uses. */
export interface Project {
  /** The folder of the lockfile: the package's own, or the root of its workspace. Paths are relative to it. */
  readonly directory: string;
  /** The folder of the app's package; "" for the project itself. */
  readonly folder: string;
  /** The app's file relative to its package, with `/` between the segments. */
  readonly file: string;
  /** The name of the lockfile. */
  readonly lockfile: "package-lock.json" | "npm-shrinkwrap.json";
  /** The folders of linked packages: those of a workspace that the app uses, its own included. */
  readonly packages: readonly string[];
  /** The folders of a workspace's packages that the app does not use. */
  readonly unused: readonly string[];
  /** The `node_modules` of linked packages that npm fills. */
  readonly nestedModules: readonly string[];
  /** TypeScript settings of a workspace that its packages extend. */
  readonly rootFiles: readonly string[];
  /** Flags of `npm ci` that select packages of the workspace. */
  readonly installFlags: readonly string[];
  /** The path at which this package is installed. */
  readonly framework: string;
  /** Whether this package is linked, so that its programs are missing until the sources are copied. */
  readonly isFrameworkLinked: boolean;
  /** Archives and folders of the project that packages are installed from. */
  readonly archives: readonly string[];
  /** npm's settings; undefined if there are none. */
  readonly npmrc: string | undefined;
  /** The variables that the settings refer to. */
  readonly npmrcVariables: readonly string[];
  /** The exact Node version in its `.node-version` or `.nvmrc`. */
  readonly nodeVersion: string | undefined;
}

const FRAMEWORK = "servable";
/** The compiled program in the repository of this package. */
const PROGRAM = "dist/cli/main.js";
const LOCKFILES = ["npm-shrinkwrap.json", "package-lock.json"] as const;
const OTHER_LOCKFILES = [
  ["pnpm-lock.yaml", "pnpm"],
  ["pnpm-workspace.yaml", "pnpm"],
  ["yarn.lock", "Yarn"],
  ["bun.lock", "Bun"],
  ["bun.lockb", "Bun"],
] as const;
const OWN_DOCKERFILE =
  'write a Dockerfile and give the app "static override image = ContainerImage.fromDockerfile("Dockerfile")"';

/**
 * Reads the project of a file: the nearest package.json above it, and npm's lockfile beside it or in the root of its
 * workspace.
 * @throws UsageError if package.json or lockfile is missing, or this package is neither a dependency nor the project itself
 */
export function readProject(file: string): Project {
  const own = projectFolder(dirname(file));
  if (own === undefined) {
    throw new UsageError(
      `No package.json was found in ${dirname(file)} or above: run "npm init -y" and "npm install ${FRAMEWORK}" there.`,
    );
  }
  const hasOwnLockfile = findLockfile(own) !== undefined;
  const workspace = hasOwnLockfile ? undefined : findWorkspace(own);
  const isSelf = readPackageJson(join(own, "package.json")).name === FRAMEWORK;
  const isFromRoot = isSelf ? assertBuilt(own) : assertDependency(own, workspace);
  const directory = workspace?.directory ?? own;
  const lockfile = requireLockfile(directory, workspace);
  const folder = workspace?.folder ?? "";
  const locked = readLockedPackages(join(directory, lockfile));
  if (workspace !== undefined && locked[folder] === undefined) {
    throw new UsageError(
      `${join(directory, lockfile)} does not have the package in ${folder}: run "npm install" in ${directory}, the root of the workspace.`,
    );
  }
  const starts = [folder, ...(isFromRoot ? [""] : [])];
  const globs = workspaceGlobs(readPackageJson(join(directory, "package.json")));
  const context = {
    ...{ directory, locked, used: usedPackages(locked, starts) },
    isMember: (each: string) => isMember(each, globs),
  };
  const { files, folders } = compilerSettings(file, context);
  const used = usedPackages(locked, [...starts, ...folders]);
  const linked = linkedFolders(locked, used, (name, target) => {
    return (
      `The package ${name} is a link to the folder ${target}, outside of ${directory}: ` +
      `move it into the project, or ${OWN_DOCKERFILE}.`
    );
  });
  const settled = folders.filter((each) => each !== "" && each !== folder && !linked.includes(each));
  const packages = [...[...linked, ...settled].sort(), ...(folder === "" ? [] : [folder])].filter(isFirst);
  const installed = resolvePackage(locked, FRAMEWORK, folder) ?? `node_modules/${FRAMEWORK}`;
  const framework = isSelf ? "." : installed;
  return {
    directory,
    folder,
    file: relative(own, file).split(sep).join("/"),
    lockfile,
    packages,
    unused: isSelf
      ? foldersWithout(own, ["dist", dirname(relative(own, file))])
      : unusedFolders(locked, packages),
    nestedModules: nestedModules(used),
    rootFiles:
      workspace === undefined
        ? []
        : [...rootSettings(directory), ...files.filter((path) => !isBelow(path, packages))]
            .filter(isFirst)
            .sort(),
    // The examples of the repository use its devDependencies.
    installFlags: isSelf
      ? ["--include=dev"]
      : installFlags(folder, folder === "" ? packages : [folder, ...settled], isFromRoot, globs),
    framework,
    isFrameworkLinked: isSelf || locked[framework]?.link === true,
    archives: localArchives(
      locked,
      (path) => workspace === undefined || used.has(path),
      (name, archive) =>
        `The package ${name} is installed from ${archive}, outside of ${directory}: ` +
        `move it into the project, or ${OWN_DOCKERFILE}.`,
    ),
    ...npmSettings(directory),
    nodeVersion: namedNode(own) ?? namedNode(directory),
  };
}

function projectFolder(from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

/** Whether this package is a dependency of the workspace's root only. @throws UsageError if it is not a dependency */
function assertDependency(directory: string, workspace: Workspace | undefined): boolean {
  const path = join(directory, "package.json");
  const manifest = readPackageJson(path);
  if (isDependency(manifest)) return false;
  if (workspace !== undefined && isDependency(workspace.manifest)) return true;
  throw new UsageError(
    manifest.devDependencies?.[FRAMEWORK] === undefined
      ? `${path} does not have ${FRAMEWORK} among its dependencies: run "npm install ${FRAMEWORK}" in ${directory}.`
      : `${path} has ${FRAMEWORK} among the devDependencies, which are not in the image: run "npm install --save-prod ${FRAMEWORK}" in ${directory}.`,
  );
}

/** In the repository of this package, the compiled package takes the place of a dependency. @throws UsageError */
function assertBuilt(directory: string): false {
  if (existsSync(join(directory, PROGRAM))) return false;
  throw new UsageError(
    `${directory} is the repository of ${FRAMEWORK}, not compiled: run "npm run build" there.`,
  );
}

/** The folders of a project that have none of these paths in them. */
function foldersWithout(directory: string, paths: readonly string[]): readonly string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !paths.some((path) => path.split(sep)[0] === entry.name))
    .map(({ name }) => name)
    .sort();
}

function isDependency({ dependencies, optionalDependencies }: PackageJson): boolean {
  return (dependencies?.[FRAMEWORK] ?? optionalDependencies?.[FRAMEWORK]) !== undefined;
}

function findLockfile(directory: string): Project["lockfile"] | undefined {
  return LOCKFILES.find((name) => existsSync(join(directory, name)));
}

function requireLockfile(directory: string, workspace: Workspace | undefined): Project["lockfile"] {
  const found = findLockfile(directory);
  if (found !== undefined) return found;
  // A package may have the lockfile of another package manager although the workspace has none.
  const own = workspace === undefined ? directory : join(directory, workspace.folder);
  for (const folder of new Set([own, directory])) {
    const other = OTHER_LOCKFILES.find(([name]) => existsSync(join(folder, name)));
    if (other === undefined) continue;
    const what = folder === own ? "" : `, the root of the workspace of ${workspace?.folder},`;
    throw new UsageError(
      `${folder}${what} has the lockfile of ${other[1]} (${other[0]}), and a Dockerfile can only be generated for npm: ${OWN_DOCKERFILE}.`,
    );
  }
  const where = workspace === undefined ? "" : `, the root of the workspace of ${workspace.folder},`;
  throw new UsageError(`${directory}${where} has no package-lock.json: run "npm install" there.`);
}

function unusedFolders(locked: LockedPackages, packages: readonly string[]): readonly string[] {
  return Object.values(locked)
    .flatMap(({ link, resolved }) => (link === true && resolved !== undefined ? [resolved] : []))
    .filter((folder) => !packages.includes(folder) && !folder.startsWith("..") && folder !== "")
    .sort();
}

/** Flags that install only the named packages of a workspace, with their dependencies. */
function installFlags(
  folder: string,
  packages: readonly string[],
  isFromRoot: boolean,
  globs: readonly string[],
): readonly string[] {
  if (globs.length === 0) return [];
  const named = packages.filter((each) => isMember(each, globs));
  if (named.length === 0) return ["--no-workspaces"];
  return [
    ...named.map((each) => `--workspace=${each}`),
    ...(folder === "" || isFromRoot ? ["--include-workspace-root"] : []),
  ];
}

function isFirst(path: string, index: number, all: readonly string[]): boolean {
  return all.indexOf(path) === index;
}

function isBelow(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path.startsWith(`${folder}/`));
}

/** The names of `tsconfig.json`, `tsconfig.base.json`, `jsconfig.json` and the like. */
function rootSettings(directory: string): readonly string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /^[jt]sconfig(?:\..+)?\.json$/.test(entry.name))
    .map(({ name }) => name)
    .sort();
}

function npmSettings(directory: string): Pick<Project, "npmrc" | "npmrcVariables"> {
  const path = join(directory, ".npmrc");
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  if (text.trim() === "") return { npmrc: undefined, npmrcVariables: [] };
  const names = [...text.matchAll(/\$\{([A-Za-z_]\w*)\??\}/g)].map(([, name = ""]) => name);
  return { npmrc: text, npmrcVariables: [...new Set(names)].sort() };
}

function namedNode(directory: string): string | undefined {
  for (const name of [".node-version", ".nvmrc"]) {
    const path = join(directory, name);
    if (!existsSync(path)) continue;
    const [, version] = /^v?(\d+\.\d+\.\d+)$/.exec(readFileSync(path, "utf8").trim()) ?? [];
    if (version !== undefined) return version;
  }
  return undefined;
}
