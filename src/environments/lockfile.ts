import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { FalServerlessError } from "../errors.ts";

/** A project's lockfile, and the `package.json` that npm needs with it. */
export interface Lockfile {
  readonly text: string;
  /** The matching `package.json`. */
  readonly project: Readonly<Record<string, unknown>>;
  /** The project's own dependencies: name → locked version, if there is one. */
  readonly locked: ReadonlyMap<string, string | undefined>;
}

interface LockedPackage {
  readonly name?: string;
  readonly version?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
  readonly [field: string]: unknown;
}

/** Fields of the root entry that are also fields of a `package.json`. */
const SHARED_FIELDS = [
  ...["name", "version", "dependencies", "devDependencies", "optionalDependencies", "peerDependencies"],
  ...["peerDependenciesMeta", "bundleDependencies", "engines"],
];

/**
 * Reads a `package-lock.json` (lockfileVersion 2 or 3). Its packages may run their install scripts, unless the
 * project's own `allowScripts` forbids it.
 * @throws FalServerlessError for a lockfile that can't be used
 */
export function readLockfile(path: string): Lockfile {
  const text = readFileSync(path, "utf8");
  const packages = parse(path, text);
  const root = packages[""];
  if (root === undefined) {
    throw refused(path, "has no list of packages: it is that of an old npm. Renew it with `npm install`.");
  }
  const local = Object.entries(packages).find(
    ([, { link, resolved }]) => link === true || resolved?.startsWith("file:") === true,
  );
  if (local !== undefined || root["workspaces"] !== undefined) {
    const what = local === undefined ? "workspaces" : `the local package ${local[0]}`;
    throw refused(
      path,
      `has ${what}: only packages of a registry or a repository can be installed elsewhere.`,
    );
  }
  const beside = readProject(join(dirname(path), "package.json"));
  const project = {
    ...Object.fromEntries(SHARED_FIELDS.filter((name) => name in root).map((name) => [name, root[name]])),
    private: true,
    ...("overrides" in beside ? { overrides: beside["overrides"] } : {}),
    allowScripts: beside["allowScripts"] ?? scriptsOf(packages),
  };
  const own = { ...object(root["dependencies"]), ...object(root["optionalDependencies"]) };
  const locked = new Map(Object.keys(own).map((name) => [name, packages[`node_modules/${name}`]?.version]));
  return { text, project, locked };
}

function parse(path: string, text: string): Readonly<Record<string, LockedPackage>> {
  try {
    return object((JSON.parse(text) as { packages?: unknown }).packages) as Record<string, LockedPackage>;
  } catch (error) {
    throw refused(path, `is not valid JSON: ${(error as Error).message}`, error);
  }
}

function scriptsOf(packages: Readonly<Record<string, LockedPackage>>): Record<string, boolean> {
  const names = Object.entries(packages)
    .filter(([, { hasInstallScript }]) => hasInstallScript === true)
    .map(([place, { name, resolved }]) =>
      resolved !== undefined && !resolved.startsWith("http")
        ? resolved
        : (name ?? place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length)),
    );
  return Object.fromEntries(names.map((name) => [name, true]));
}

function readProject(path: string): Readonly<Record<string, unknown>> {
  try {
    return object(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return {}; // the file is missing, or invalid for npm too
  }
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function refused(path: string, why: string, cause?: unknown): FalServerlessError {
  return new FalServerlessError("ENVIRONMENT_FAILED", `The lockfile ${path} ${why}`, { cause });
}
