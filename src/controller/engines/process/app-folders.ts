import { createHash } from "node:crypto";
import { constants, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { chmod, copyFile, mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { NpmEnvironments } from "../../../environments/npm-environments.ts";
import { findNpm, npmEnvironment } from "../../../environments/npm.ts";
import { runNpm } from "../../../environments/npm-run.ts";
import type { NodeRuntime } from "../../../environments/node-runtime.ts";
import { FalServerlessError } from "../../../errors.ts";
import { logEntry } from "../../../log-entry.ts";
import { writeFileAtomic } from "../../../processes/atomic-file.ts";
import type { FileStore } from "../../state/files.ts";
import type { DeployedFile, Revision } from "../../state/revisions.ts";
import type { BuiltContent, PrepareOptions } from "../engine.ts";
import { SharedPreparations } from "../shared-preparations.ts";
import { recipeOf, type Install, type Recipe } from "./recipe.ts";

/** The files and programs that a runner of a revision is started from. */
export interface PreparedApp {
  /** The folder that it starts in. */
  readonly directory: string;
  /** Path of its program. */
  readonly program: string;
  readonly arguments: readonly string[];
  /** Path of the Node executable. */
  readonly node: string;
}

/** An installation to make. */
interface Installation {
  /** Path of the file that names its folder. */
  readonly record: string;
  readonly digest: string;
  readonly install: Install;
  readonly files: readonly DeployedFile[];
  readonly node: NodeRuntime;
  /** npm's settings. */
  readonly npmrc: string | undefined;
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
 *     packages/DIGEST-RANDOM  an installation, shared by all revisions with the same packages
 */
export class AppFolders {
  readonly #root: string;
  readonly #files: FileStore;
  readonly #environments: NpmEnvironments;
  readonly #shared = new SharedPreparations();

  constructor(root: string, files: FileStore, environments: NpmEnvironments) {
    this.#root = root;
    this.#files = files;
    this.#environments = environments;
    mkdirSync(join(root, "revisions"), { recursive: true });
    mkdirSync(join(root, "packages"), { recursive: true });
  }

  /**
   * Installs the packages that revisions with this content need, unless they are there.
   * @throws FalServerlessError with code BUILD_FAILED and the last lines of npm; the signal's reason
   */
  async build(content: BuiltContent, options: PrepareOptions): Promise<void> {
    const { recipe, node } = await this.#basis(content, options);
    for (const install of recipe.installs) await this.#packages(content, install, node, options);
  }

  /** Makes the folder of a revision, unless it is there. @throws as {@link build} */
  async prepare(revision: Revision, options: PrepareOptions): Promise<void> {
    const target = this.#folderOf(revision.id);
    if (existsSync(target)) return;
    await this.#shared.once(target, options, async (shared) => {
      const { definition } = revision;
      const { recipe, node } = await this.#basis(definition, shared);
      const temporary = `${target}.${process.pid}`;
      await rm(temporary, { recursive: true, force: true });
      await this.#copyAll(definition.files, temporary, shared.signal);
      for (const install of recipe.installs) {
        const packages = await this.#packages(definition, install, node, shared);
        for (const path of install.modules) {
          if (!existsSync(join(packages, path))) continue;
          mkdirSync(dirname(join(temporary, path)), { recursive: true });
          symlinkSync(join(packages, path), join(temporary, path));
        }
      }
      await rename(temporary, target);
    });
  }

  /** The files and programs of a prepared revision. */
  async find({ id, definition }: Revision): Promise<PreparedApp> {
    const { recipe, node } = await this.#basis(definition, {});
    const folder = this.#folderOf(id);
    return {
      directory: join(folder, recipe.folder),
      program: join(folder, recipe.program),
      arguments: recipe.arguments,
      node: node.executable,
    };
  }

  /** Removes the folder of a revision. */
  async remove(revision: string): Promise<void> {
    await rm(this.#folderOf(revision), { recursive: true, force: true });
  }

  async #basis(
    { image }: BuiltContent,
    { signal, log }: PrepareOptions,
  ): Promise<{ readonly recipe: Recipe; readonly node: NodeRuntime }> {
    const recipe = recipeOf(image);
    if (recipe === undefined)
      throw new FalServerlessError("BUILD_FAILED", "The deployment has no generated Dockerfile.");
    const node = await this.#environments.node(recipe.nodeVersion, {
      ...(signal === undefined ? {} : { signal }),
      ...(log === undefined ? {} : { log }),
    });
    return { recipe, node };
  }

  #folderOf(revision: string): string {
    return join(this.#root, "revisions", revision);
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

  /** The folder with the packages of an installation. */
  async #packages(
    content: BuiltContent,
    install: Install,
    node: NodeRuntime,
    options: PrepareOptions,
  ): Promise<string> {
    const files = content.files.filter(({ path }) =>
      install.files.some((each) => path === each || path.startsWith(`${each}/`)),
    );
    const basis = {
      files: files.toSorted(byPath),
      withoutScripts: install.withoutScripts,
      commands: install.commands,
      modules: node.modules,
    };
    const digest = createHash("sha256").update(JSON.stringify(basis)).digest("hex").slice(0, 32);
    const record = join(this.#root, "packages", `${digest}.json`);
    if (!existsSync(record)) {
      const npmrc = npmrcOf(content.image);
      await this.#shared.once(record, options, (shared) =>
        this.#install({ record, digest, install, files, node, npmrc }, shared),
      );
    }
    return (JSON.parse(readFileSync(record, "utf8")) as { folder: string }).folder;
  }

  async #install(
    { record, digest, install, files, node, npmrc }: Installation,
    options: PrepareOptions,
  ): Promise<void> {
    const folder = join(this.#root, "packages", `${digest}-${process.pid}-${Date.now()}`);
    try {
      await this.#copyAll(files, folder, options.signal);
      for (const path of install.withoutScripts) removeScripts(join(folder, path));
      const cwd = join(folder, install.folder);
      for (const command of install.commands) await runCommand(command, cwd, node, npmrc, options);
      mkdirSync(join(cwd, "node_modules"), { recursive: true });
      writeFileAtomic(record, JSON.stringify({ folder }), { isFlushed: true });
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }
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

async function runCommand(
  command: readonly string[],
  cwd: string,
  node: NodeRuntime,
  npmrc: string | undefined,
  { signal, log }: PrepareOptions,
): Promise<void> {
  const npm = findNpm();
  const settings = { user: "", project: npmrc ?? "" };
  const settingsFile = join(cwd, ".npmrc");
  if (npmrc !== undefined) writeFileSync(settingsFile, npmrc, { mode: 0o600 });
  const what = `npm ${command.filter((word) => !word.startsWith("-")).join(" ")}`;
  log?.(logEntry(`${what}: installing packages`, "BUILDER", "INFO"));
  try {
    const { exitCode, killedBy, lines } = await runNpm({
      npm,
      node: node.executable,
      args: command,
      cwd,
      env: npmEnvironment(dirname(node.executable), settings),
      onLine: (line) => {
        if (line.trim() !== "") log?.(logEntry(line, "BUILDER", "INFO"));
      },
      ...(signal === undefined ? {} : { signal }),
    });
    if (exitCode === 0) return;
    throw new FalServerlessError(
      "BUILD_FAILED",
      `${what} failed (${exitCode === null ? `killed by ${killedBy}` : `exit code ${exitCode}`}): ${lines.slice(-SHOWN_LINES).join("\n")}`,
    );
  } finally {
    rmSync(settingsFile, { force: true });
  }
}
