import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, extname, join } from "node:path";
import { promisify } from "node:util";
import { UsageError } from "../errors.ts";
import { messageOf } from "./load-failure.ts";
import { PACKAGE_ROOT, packageVersion } from "./package-root.ts";

/** What a new project writes down as its dependency on this package, so that `npm install` finds it. */
export interface OwnPackage {
  readonly spec: string;
  /** Path of an archive of this package that has to lie in the project, where no registry has it. */
  readonly archive?: string;
  /** Removes what was made for it. */
  dispose(): Promise<void>;
}

/** How long a registry is waited for, in milliseconds. */
const REGISTRY_MS = 10_000;

const run = promisify(execFile);

/**
 * Finds out where a project gets this package from: the registry or the address it was installed from itself; else the
 * registry, if that has it; else an archive that is made of it.
 * @throws UsageError when there is no way
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

/** What npm wrote down when it installed this package; undefined where another tool did, or nobody. */
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

/** Whether npm's registry has this very package: another one may bear its name. */
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
  // The sources have to be compiled first; what was published is.
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
