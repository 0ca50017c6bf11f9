import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, sep } from "node:path";
import { UsageError } from "../errors.ts";

/** An npm project that an image can be made of. */
export interface Project {
  /** The folder of its package.json. */
  readonly directory: string;
  /** The app's file relative to that, with `/` between its parts. */
  readonly file: string;
  /** The name of its lockfile. */
  readonly lockfile: "package-lock.json" | "npm-shrinkwrap.json";
  /** Packages that lie in the project as archives, relative to its folder. */
  readonly archives: readonly string[];
  /** Whether it has settings of npm's. */
  readonly hasNpmrc: boolean;
  /** The variables that those settings name. */
  readonly npmrcVariables: readonly string[];
  /** The exact version of Node that it names, if it names one. */
  readonly nodeVersion: string | undefined;
}

const FRAMEWORK = "servable";
const OTHER_LOCKFILES = [
  ["pnpm-lock.yaml", "pnpm"],
  ["yarn.lock", "Yarn"],
  ["bun.lock", "Bun"],
  ["bun.lockb", "Bun"],
] as const;
const OWN_DOCKERFILE =
  'write a Dockerfile and give the app "static override image = ContainerImage.fromDockerfile("Dockerfile")"';

/**
 * Reads the project that a file belongs to: the nearest package.json above it, and npm's lockfile beside that.
 * @throws UsageError that says what is missing: package.json, lockfile, this package among the dependencies
 */
export function readProject(file: string): Project {
  const directory = projectFolder(dirname(file));
  if (directory === undefined) {
    throw new UsageError(
      `There is no package.json in ${dirname(file)} or above: run "npm init -y" and "npm install ${FRAMEWORK}" there.`,
    );
  }
  assertDependency(directory);
  const lockfile = findLockfile(directory);
  return {
    directory,
    file: relative(directory, file).split(sep).join("/"),
    lockfile,
    archives: localArchives(join(directory, lockfile)),
    ...npmSettings(directory),
    nodeVersion: namedNode(directory),
  };
}

function projectFolder(from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

function assertDependency(directory: string): void {
  const path = join(directory, "package.json");
  const manifest = readJson(path) as Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;
  if (manifest["dependencies"]?.[FRAMEWORK] !== undefined) return;
  if (manifest["optionalDependencies"]?.[FRAMEWORK] !== undefined) return;
  throw new UsageError(
    manifest["devDependencies"]?.[FRAMEWORK] === undefined
      ? `${path} does not have ${FRAMEWORK} among its dependencies: run "npm install ${FRAMEWORK}".`
      : `${path} has ${FRAMEWORK} among the devDependencies, which an image does not get: run "npm install --save-prod ${FRAMEWORK}".`,
  );
}

function findLockfile(directory: string): Project["lockfile"] {
  for (const name of ["npm-shrinkwrap.json", "package-lock.json"] as const) {
    if (existsSync(join(directory, name))) return name;
  }
  const other = OTHER_LOCKFILES.find(([name]) => existsSync(join(directory, name)));
  throw new UsageError(
    other === undefined
      ? `There is no package-lock.json in ${directory}: run "npm install" there.`
      : `${directory} has the lockfile of ${other[1]} (${other[0]}), and a Dockerfile is generated for npm's alone: ${OWN_DOCKERFILE}.`,
  );
}

interface Lockfile {
  readonly packages?: Readonly<Record<string, { readonly resolved?: string; readonly link?: boolean }>>;
}

function localArchives(path: string): string[] {
  const archives = new Set<string>();
  for (const [name, { resolved = "", link }] of Object.entries((readJson(path) as Lockfile).packages ?? {})) {
    if (link === true) {
      throw new UsageError(
        `The package ${basename(name)} is a link to the folder ${resolved}, which npm can't install alone: ` +
          `install what "npm pack" makes of it, or ${OWN_DOCKERFILE}.`,
      );
    }
    if (!resolved.startsWith("file:")) continue;
    const archive = resolved.slice("file:".length).replace(/^\.\//, "");
    if (archive.startsWith("../") || archive.startsWith("/")) {
      throw new UsageError(
        `The package ${basename(name)} is installed from ${archive}, outside of ${dirname(path)}: ` +
          `move it into the project, or ${OWN_DOCKERFILE}.`,
      );
    }
    archives.add(archive);
  }
  return [...archives].sort();
}

function npmSettings(directory: string): Pick<Project, "hasNpmrc" | "npmrcVariables"> {
  const path = join(directory, ".npmrc");
  if (!existsSync(path)) return { hasNpmrc: false, npmrcVariables: [] };
  const names = [...readFileSync(path, "utf8").matchAll(/\$\{([A-Za-z_]\w*)\??\}/g)].map(
    ([, name = ""]) => name,
  );
  return { hasNpmrc: true, npmrcVariables: [...new Set(names)].sort() };
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

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UsageError(`${path} can't be read: ${(error as Error).message}`, { cause: error });
  }
}
