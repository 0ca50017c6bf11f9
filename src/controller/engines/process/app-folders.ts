import { createHash } from "node:crypto";
import { constants, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { chmod, copyFile, mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { AppFacts } from "../../../build-context/app-facts.ts";
import { readFacts } from "../../../build-context/app-facts.ts";
import type { NpmEnvironments } from "../../../environments/npm-environments.ts";
import { findNpm, npmEnvironment } from "../../../environments/npm.ts";
import { runNpm } from "../../../environments/npm-run.ts";
import type { NodeRuntime } from "../../../environments/node-runtime.ts";
import { FalServerlessError } from "../../../errors.ts";
import { logEntry, type LogEntry } from "../../../log-entry.ts";
import { writeFileAtomic } from "../../../processes/atomic-file.ts";
import { SharedCall } from "../../../processes/single-flight.ts";
import type { FileStore } from "../../state/files.ts";
import type { DeployedFile, Revision } from "../../state/revisions.ts";
import type { PrepareOptions } from "../engine.ts";

/** The files and programs that a runner of a revision is started from. */
export interface PreparedApp {
  /** The folder of the app's package. */
  readonly directory: string;
  /** Path of the program `servable`. */
  readonly program: string;
  /** The argument of `servable run`. */
  readonly target: string;
  /** Path of the Node executable. */
  readonly node: string;
}

/** The installation of a lockfile. */
interface Installation {
  /** Path of the file that names its folder. */
  readonly record: string;
  readonly digest: string;
  readonly files: readonly DeployedFile[];
  readonly facts: AppFacts;
  readonly node: NodeRuntime;
  readonly image: Revision["definition"]["image"];
}

/** Number of files that are copied at once. */
const PARALLEL_COPIES = 16;
/** Lines of npm in the message of a failed installation. */
const SHOWN_LINES = 10;

/**
 * The folders that runners start from:
 *
 *     revisions/ID/           the files of a revision, with links to its packages
 *     packages/DIGEST.json    names the folder of an installation; written last
 *     packages/DIGEST-RANDOM  an installation, shared by all revisions with the same lockfile
 */
export class AppFolders {
  readonly #root: string;
  readonly #files: FileStore;
  readonly #environments: NpmEnvironments;
  readonly #calls = new Map<string, SharedCall<void, LogEntry>>();

  constructor(root: string, files: FileStore, environments: NpmEnvironments) {
    this.#root = root;
    this.#files = files;
    this.#environments = environments;
    mkdirSync(join(root, "revisions"), { recursive: true });
    mkdirSync(join(root, "packages"), { recursive: true });
  }

  /**
   * Makes the folder of a revision, unless it is there.
   * @throws FalServerlessError with code BUILD_FAILED and the last lines of npm; the signal's reason
   */
  async prepare(revision: Revision, options: PrepareOptions): Promise<void> {
    const target = this.#folderOf(revision);
    if (existsSync(target)) return;
    await this.#once(target, options, async (shared) => {
      const { facts, node } = await this.#basis(revision, shared);
      const packages = await this.#packages(revision, facts, node, shared);
      const temporary = `${target}.${process.pid}`;
      await rm(temporary, { recursive: true, force: true });
      await this.#copyAll(revision.definition.files, temporary, shared.signal);
      for (const path of ["node_modules", ...facts.nestedModules]) {
        if (!existsSync(join(packages, path))) continue;
        mkdirSync(dirname(join(temporary, path)), { recursive: true });
        symlinkSync(join(packages, path), join(temporary, path));
      }
      await rename(temporary, target);
    });
  }

  /** The files and programs of a prepared revision. */
  async find(revision: Revision): Promise<PreparedApp> {
    const { facts, node } = await this.#basis(revision, {});
    const folder = this.#folderOf(revision);
    return {
      directory: join(folder, facts.folder),
      program: join(folder, facts.framework, "dist/cli/main.js"),
      target: facts.target,
      node: node.executable,
    };
  }

  async #basis(
    { definition }: Revision,
    options: PrepareOptions,
  ): Promise<{ readonly facts: AppFacts; readonly node: NodeRuntime }> {
    const facts = factsOf(definition.image);
    if (facts === undefined)
      throw new FalServerlessError("BUILD_FAILED", "The deployment has no generated Dockerfile.");
    const { signal, log } = options;
    const node = await this.#environments.node(facts.nodeVersion, {
      ...(signal === undefined ? {} : { signal }),
      ...(log === undefined ? {} : { log }),
    });
    return { facts, node };
  }

  /** Does work that runners started together need once. It is aborted when none of them waits any more. */
  async #once(
    key: string,
    options: PrepareOptions,
    work: (shared: PrepareOptions) => Promise<void>,
  ): Promise<void> {
    let call = this.#calls.get(key);
    if (call === undefined || call.isClosed) {
      const started = new SharedCall<void, LogEntry>((signal, log) => work({ signal, log }));
      this.#calls.set(key, started);
      void started.settled().then(() => {
        if (this.#calls.get(key) === started) this.#calls.delete(key);
      });
      call = started;
    }
    await call.join(options);
  }

  #folderOf({ id }: Revision): string {
    return join(this.#root, "revisions", id);
  }

  async #copyAll(
    files: readonly DeployedFile[],
    folder: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const left = files.values();
    await mkdir(folder, { recursive: true });
    await Promise.all(
      Array.from({ length: PARALLEL_COPIES }, async () => {
        for (const { hash, path } of left) {
          signal?.throwIfAborted();
          const target = join(folder, path);
          await mkdir(dirname(target), { recursive: true });
          // A copy: the app may change its files. Shares the blocks where the file system can.
          await copyFile(this.#files.pathOf(hash), target, constants.COPYFILE_FICLONE);
          await chmod(target, this.#files.modeOf(hash));
        }
      }),
    );
  }

  /** The folder with the installed packages of a lockfile. */
  async #packages(
    { definition }: Revision,
    facts: AppFacts,
    node: NodeRuntime,
    options: PrepareOptions,
  ): Promise<string> {
    const files = definition.files.filter(({ path }) =>
      facts.packageFiles.some((each) => path === each || path.startsWith(`${each}/`)),
    );
    const { withoutScripts, installFlags } = facts;
    const basis = { files: files.toSorted(byPath), withoutScripts, installFlags, modules: node.modules };
    const digest = createHash("sha256").update(JSON.stringify(basis)).digest("hex").slice(0, 32);
    const record = join(this.#root, "packages", `${digest}.json`);
    if (!existsSync(record)) {
      await this.#once(record, options, (shared) =>
        this.#install({ record, digest, files, facts, node, image: definition.image }, shared),
      );
    }
    return (JSON.parse(readFileSync(record, "utf8")) as { folder: string }).folder;
  }

  async #install(
    { record, digest, files, facts, node, image }: Installation,
    options: PrepareOptions,
  ): Promise<void> {
    const folder = join(this.#root, "packages", `${digest}-${process.pid}-${Date.now()}`);
    try {
      await this.#copyAll(files, folder, options.signal);
      for (const path of facts.withoutScripts) removeScripts(join(folder, path));
      await install(folder, facts, node, npmrcOf(image), options);
      mkdirSync(join(folder, "node_modules"), { recursive: true });
      writeFileAtomic(record, JSON.stringify({ folder }), { isFlushed: true });
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }
}

/** The facts in the Dockerfile of an image; undefined if it was not generated. */
export function factsOf(image: Readonly<Record<string, unknown>>): AppFacts | undefined {
  const dockerfile = image["dockerfile_str"];
  return typeof dockerfile === "string" ? readFacts(dockerfile) : undefined;
}

/** npm's settings, which are a secret of the build. */
function npmrcOf(image: Readonly<Record<string, unknown>>): string | undefined {
  const secrets = image["secrets"];
  if (typeof secrets !== "object" || secrets === null) return undefined;
  const text = (secrets as Readonly<Record<string, unknown>>)["npmrc"];
  return typeof text === "string" ? text : undefined;
}

function byPath(a: DeployedFile, b: DeployedFile): number {
  return a.path < b.path ? -1 : 1;
}

function removeScripts(path: string): void {
  const { scripts: _, ...manifest } = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify(manifest));
}

async function install(
  folder: string,
  { installFlags }: AppFacts,
  node: NodeRuntime,
  npmrc: string | undefined,
  { signal, log }: PrepareOptions,
): Promise<void> {
  const npm = findNpm();
  const settings = { user: "", project: npmrc ?? "" };
  const settingsFile = join(folder, ".npmrc");
  if (npmrc !== undefined) writeFileSync(settingsFile, npmrc, { mode: 0o600 });
  log?.(logEntry("npm ci: installing the packages of the lockfile", "BUILDER", "INFO"));
  try {
    const { exitCode, killedBy, lines } = await runNpm({
      npm,
      node: node.executable,
      args: ["ci", "--omit=dev", ...installFlags, "--no-audit", "--no-fund"],
      cwd: folder,
      env: npmEnvironment(dirname(node.executable), settings),
      onLine: (line) => {
        if (line.trim() !== "") log?.(logEntry(line, "BUILDER", "INFO"));
      },
      ...(signal === undefined ? {} : { signal }),
    });
    if (exitCode === 0) return;
    throw new FalServerlessError(
      "BUILD_FAILED",
      `npm ci failed (${exitCode === null ? `killed by ${killedBy}` : `exit code ${exitCode}`}): ${lines.slice(-SHOWN_LINES).join("\n")}`,
    );
  } finally {
    rmSync(settingsFile, { force: true });
  }
}
