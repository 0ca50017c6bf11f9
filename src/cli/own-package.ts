import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, extname, join } from "node:path";
import { promisify } from "node:util";
import { UsageError } from "../errors.ts";
import { messageOf } from "./load-failure.ts";
import { PACKAGE_ROOT, packageVersion } from "./package-root.ts";

/** How a new project depends on this package, so that `npm install` finds it. */
export interface OwnPackage {
  readonly spec: string;
  /** An archive of this package to copy into the project, if no registry has it. */
  readonly archive?: string;
  /** Deletes the archive. */
  dispose(): Promise<void>;
}

/** Timeout for requests to a registry, in ms. */
const REGISTRY_MS = 10_000;

const run = promisify(execFile);

/**
 * Finds the source of this package for a new project: where it was installed from, else the registry if that has it, else an
 * archive made of it.
 * @throws UsageError if no archive can be made either
 */
export async function ownPackage(): Promise<OwnPackage> {
  const origin = installedFrom();
  if (origin !== undefined && isRegistry(origin)) return found(`^${packageVersion()}`);
  if (origin !== undefined && !origin.startsWith("file:")) return found(origin);
  if (origin === undefined && isInstalled() && (await isInRegistry())) return found(`^${packageVersion()}`);
  return pack();
}

function found(spec: string): OwnPackage {
  return { spec, dispose: () => Promise.resolve() };
}

function isInstalled(): boolean {
  return basename(dirname(PACKAGE_ROOT.replace(/[/\\]$/, ""))) === "node_modules";
}

/** The address that npm installed this package from; undefined if it was not installed by npm. */
function installedFrom(): string | undefined {
  if (!isInstalled()) return undefined;
  try {
    const lock = JSON.parse(readFileSync(join(PACKAGE_ROOT, "../.package-lock.json"), "utf8")) as {
      packages?: Record<string, { resolved?: string } | undefined>;
    };
    return lock.packages?.["node_modules/servable"]?.resolved;
  } catch {
    return undefined;
  }
}

function isRegistry(origin: string): boolean {
  return /^https?:\/\/.+\/servable\/-\/servable-[^/]+\.tgz$/.test(origin);
}

/** Whether npm's registry has this package. Another package may have its name. */
async function isInRegistry(): Promise<boolean> {
  try {
    const wanted = `servable@${packageVersion()}`;
    const { stdout } = await npm(["view", wanted, "description", "--json"], REGISTRY_MS);
    const manifest = JSON.parse(readFileSync(join(PACKAGE_ROOT, "package.json"), "utf8")) as {
      description: string;
    };
    return JSON.parse(stdout) === manifest.description;
  } catch {
    return false;
  }
}

async function pack(): Promise<OwnPackage> {
  const folder = await mkdtemp(join(tmpdir(), "servable-pack-"));
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true });
  // Sources are compiled first; a published package is compiled already.
  const scripts = extname(import.meta.url) === ".ts" ? [] : ["--ignore-scripts"];
  try {
    await npm(["pack", "--silent", ...scripts, "--pack-destination", folder, PACKAGE_ROOT]);
    const [archive] = readdirSync(folder);
    if (archive === undefined) throw new Error("npm pack made nothing");
    return { spec: `file:${archive}`, archive: join(folder, archive), dispose };
  } catch (error) {
    await dispose();
    throw new UsageError(
      `No registry has servable ${packageVersion()}, and npm can't make an archive of ${PACKAGE_ROOT}: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

function npm(args: readonly string[], timeout: number = 0): Promise<{ stdout: string }> {
  const isWindows = process.platform === "win32";
  const shown = isWindows ? args.map((arg) => (/\s/.test(arg) ? `"${arg}"` : arg)) : args;
  return run("npm", shown, { shell: isWindows, timeout, maxBuffer: 1 << 24 });
}
