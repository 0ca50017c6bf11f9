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
import { logEntry } from "../../../log-entry.ts";
import { writeFileAtomic } from "../../../processes/atomic-file.ts";
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
    const { facts, node } = await this.#basis(revision, options);
    const target = this.#folderOf(revision);
    if (existsSync(target)) return;
    const packages = await this.#packages(revision, facts, node, options);
    const temporary = `${target}.${process.pid}`;
    await rm(temporary, { recursive: true, force: true });
    await this.#copyAll(revision.definition.files, temporary, options.signal);
    for (const path of ["node_modules", ...facts.nestedModules]) {
      if (!existsSync(join(packages, path))) continue;
      mkdirSync(dirname(join(temporary, path)), { recursive: true });
      symlinkSync(join(packages, path), join(temporary, path));
    }
    await rename(temporary, target);
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
    if (existsSync(record)) return (JSON.parse(readFileSync(record, "utf8")) as { folder: string }).folder;
    const folder = join(this.#root, "packages", `${digest}-${process.pid}-${Date.now()}`);
    try {
      await this.#copyAll(files, folder, options.signal);
      for (const path of withoutScripts) removeScripts(join(folder, path));
      await install(folder, facts, node, npmrcOf(definition.image), options);
      mkdirSync(join(folder, "node_modules"), { recursive: true });
      writeFileAtomic(record, JSON.stringify({ folder }), { isFlushed: true });
      return folder;
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
