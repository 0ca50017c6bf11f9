import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { randomBytes } from "node:crypto";
import { DownloadError } from "../file-errors.ts";
import { runProgram, type ProgramEnd } from "../processes/program.ts";
import { folderBytes } from "./cached-downloads.ts";
import type { DownloadDisplay } from "./display.ts";
import { dataFolder, downloadCache, repositoriesFolder } from "./download-folders.ts";
import { obtain } from "./obtained-file.ts";
import type { CloneOptions } from "./options.ts";
import { diskError, sourceKey, StoredFile, type FileRecord } from "./stored-file.ts";

/** Prefix of the folders in which a clone is made. */
const TEMPORARY = ".servable-clone-";

/** Protocols that git may use: others, such as `ext`, run programs. */
const PROTOCOLS = "git:http:https:ssh";

/** See `downloads.ts`. */
export async function cloneRepository(address: string, options: CloneOptions): Promise<string> {
  const { commit } = options;
  assertOptions(address, options);
  // A path is relative to this process, not to the folder that git runs in.
  const url = address.includes(":") ? address : resolve(address);
  const name = options.name ?? cloneName(url, commit);
  const key = sourceKey(`${url} ${commit ?? ""} ${name}`);
  const place = new StoredFile(parentFolder(options.folder, key), key);
  return obtain({
    place,
    title: name,
    options,
    isWanted: (record) => commit === undefined || isCommit(record, commit),
    download: (_lock, display) => clone(url, name, place, options, display),
  });
}

/** Clones into a temporary folder, and renames it when it is complete. */
async function clone(
  url: string,
  name: string,
  place: StoredFile,
  { commit, signal }: CloneOptions,
  display: DownloadDisplay,
): Promise<string> {
  removeLeftovers(place);
  const temporary = join(place.folder, `${TEMPORARY}${place.key}-${randomBytes(6).toString("hex")}`);
  const git = new Git(url, temporary, display, signal);
  try {
    mkdirSync(temporary);
    if (commit === undefined) await git.run("clone", "--recurse-submodules", "--", url, ".");
    else await git.checkOut(commit);
    const { stdout } = await git.run("rev-parse", "HEAD");
    const head = stdout.trim();
    if (commit !== undefined && !head.startsWith(commit.toLowerCase())) {
      throw new DownloadError("git", `${shownRepository(url)} was cloned at ${head} instead of ${commit}.`);
    }
    const path = place.pathOf(name);
    const sizeBytes = await folderBytes(temporary);
    place.forget();
    rmSync(path, { recursive: true, force: true });
    renameSync(temporary, path);
    const downloadedAt = new Date().toISOString();
    place.write({
      kind: "repository",
      source: shownRepository(url),
      name,
      sizeBytes,
      commit: head,
      downloadedAt,
    });
    return path;
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof DownloadError ? error : diskError(place.folder, error);
  } finally {
    rmSync(temporary, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Removes what killed processes have left. Needs the lock. */
function removeLeftovers(place: StoredFile): void {
  for (const name of readdirSync(place.folder)) {
    if (!name.startsWith(`${TEMPORARY}${place.key}-`)) continue;
    rmSync(join(place.folder, name), { recursive: true, force: true });
  }
}

/** Runs git in the folder of a clone. */
class Git {
  readonly #url: string;
  readonly #directory: string;
  readonly #display: DownloadDisplay;
  readonly #signal: AbortSignal | undefined;

  constructor(url: string, directory: string, display: DownloadDisplay, signal: AbortSignal | undefined) {
    this.#url = url;
    this.#directory = directory;
    this.#display = display;
    this.#signal = signal;
  }

  /** Fetches one commit; the whole history if the server can't send a single commit. */
  async checkOut(commit: string): Promise<void> {
    await this.run("init", "--quiet");
    await this.run("remote", "add", "origin", "--", this.#url);
    const isFull = commit.length === 40 || commit.length === 64;
    const isFetched = isFull && (await this.#try("fetch", "--depth=1", "origin", commit)).code === 0;
    if (!isFetched) await this.run("fetch", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*");
    await this.run("checkout", "--quiet", "--detach", commit);
    await this.run("submodule", "update", "--init", "--recursive");
  }

  /** @throws DownloadError with the last lines of git's output */
  async run(...args: string[]): Promise<ProgramEnd> {
    const end = await this.#try(...args);
    if (end.code === 0) return end;
    const shown = shownRepository(this.#url);
    if (end.code === undefined && end.lines.at(-1) === "not found") {
      throw new DownloadError("git", `${shown} can't be cloned: the program git is not installed.`);
    }
    const lines = end.lines.filter((line) => line.trim() !== "").slice(-3);
    const why = lines.join(" ").replaceAll(this.#url, shown);
    throw new DownloadError("git", `${shown} could not be cloned: ${why || `git ${args[0]} failed`}`);
  }

  #try(...args: string[]): Promise<ProgramEnd> {
    return runProgram("git", args, {
      directory: this.#directory,
      environment: {
        ...process.env,
        GIT_TERMINAL_PROMPT: "0",
        // The submodules of a repository from elsewhere must not be folders of this machine.
        GIT_ALLOW_PROTOCOL: /^(?:file:|[^:]*$)/.test(this.#url) ? `file:${PROTOCOLS}` : PROTOCOLS,
        // Variables of a git command that this process runs in, such as a hook, must not choose another repository.
        GIT_DIR: undefined,
        GIT_WORK_TREE: undefined,
        GIT_INDEX_FILE: undefined,
      },
      signal: this.#signal,
      endingBy: "group",
      onLine: (line) => this.#display.says(line),
    });
  }
}

function parentFolder(folder: string | undefined, key: string): string {
  if (folder !== undefined) return resolve(dataFolder() ?? process.cwd(), folder);
  return join(repositoriesFolder(downloadCache()), key);
}

function isCommit({ commit = "" }: FileRecord, wanted: string): boolean {
  return commit.startsWith(wanted.toLowerCase());
}

/** The repository's name, with the beginning of the commit. */
function cloneName(url: string, commit: string | undefined): string {
  const last = shownRepository(url)
    .split(/[/:\\]/)
    .findLast((part) => part !== "");
  const name =
    (last ?? "")
      .replace(/\.git$/, "")
      .replaceAll(/[^\w.-]/g, "-")
      .replace(/^\.+/, "") || "repository";
  return commit === undefined ? name : `${name}-${commit.slice(0, 8).toLowerCase()}`;
}

/** A repository's address for people and records: without credentials. */
function shownRepository(url: string): string {
  return url.replace(/^(\w+:\/\/)[^/@]*@/, "$1").replace(/[?#].*$/, "");
}

function assertOptions(url: string, { commit, name }: CloneOptions): void {
  if (url === "" || url.startsWith("-")) {
    throw new DownloadError("git", `${JSON.stringify(url)} is not the address of a git repository.`);
  }
  if (commit !== undefined && !/^[0-9a-f]{8,64}$/i.test(commit)) {
    throw new TypeError(`commit must be 8 to 64 hexadecimal digits, not ${JSON.stringify(commit)}.`);
  }
  if (name !== undefined && !/^(?!\.)[^/\\\0]+$/.test(name)) {
    throw new TypeError(
      `name must be the name of a folder that does not begin with a dot, not ${JSON.stringify(name)}.`,
    );
  }
}
