import type { Dirent, Stats } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import { FalServerlessError } from "../errors.ts";
import { below, contextPath } from "./context-path.ts";
import { isPattern, segmentFits } from "./globs.ts";
import { IgnoreRules } from "./ignore-rules.ts";
import { errorCode, unreadable, uploadFailure } from "./file-failures.ts";

/** The largest file the store takes, in bytes: 1 GiB. */
export const MAX_FILE_BYTES = 1024 ** 3;

/** One file of a context. */
export interface CollectedFile {
  /** Below the context folder, with `/` between the segments. */
  readonly relativePath: string;
  /** Where its bytes are; of a link, its target. */
  readonly absolutePath: string;
  readonly sizeBytes: number;
}

/** The part of {@link CollectOptions} that the caller of a deployment sets. */
export interface FileCollection {
  /** Called with a sentence for each file that is left out although it may be needed. */
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link collectFiles}. */
export interface CollectOptions extends FileCollection {
  /** The context folder. */
  readonly context: string;
  /** Files, folders and patterns (`*.json`, `src/**`), relative to the context folder. Default: all of it. */
  readonly paths?: readonly string[] | undefined;
  /** What stays behind: rules, or the lines of a `.gitignore`. Default: those that the context folder has. */
  readonly ignore?: IgnoreRules | readonly string[] | undefined;
}

/**
 * The files of a context folder that a deployment takes along, sorted by path, each once. Folders are walked, links to
 * folders inside of them are not; a link to a file counts as a file with its target's content, unless that is ignored.
 *
 * @throws FalServerlessError with code UPLOAD_FAILED when a path is absolute or has a `..`, a link leads out of the folder, a file is larger than
 * {@link MAX_FILE_BYTES}, or something cannot be read; DefinitionError with code IMAGE_INVALID for a `.dockerignore` that
 * can't.
 */
export async function collectFiles(options: CollectOptions): Promise<CollectedFile[]> {
  const paths = (options.paths ?? ["."]).map(contextPath);
  const context = await contextFolder(options.context);
  const collection = new Collection(context, rulesOf(context, options.ignore), options);
  for (const path of paths) await collection.add(path);
  return collection.files();
}

/** Rules of another copy of this package are rules, too. */
function rulesOf(context: string, ignore: CollectOptions["ignore"]): IgnoreRules {
  if (ignore === undefined) return IgnoreRules.of(context);
  return "ignores" in ignore ? ignore : new IgnoreRules(ignore);
}

async function contextFolder(path: string): Promise<string> {
  try {
    const folder = await realpath(path);
    if ((await stat(folder)).isDirectory()) return folder;
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw unreadable(path, error);
    throw uploadFailure(`There is no context folder ${path}.`, { cause: error });
  }
  throw uploadFailure(`The context ${path} is no folder.`);
}

class Collection {
  readonly #files = new Map<string, CollectedFile>();
  readonly #context: string;
  readonly #rules: IgnoreRules;
  readonly #warn: (message: string) => void;
  readonly #signal: AbortSignal | undefined;

  constructor(context: string, rules: IgnoreRules, { onWarning, signal }: CollectOptions) {
    this.#context = context;
    this.#rules = rules;
    this.#warn = onWarning ?? (() => {});
    this.#signal = signal;
  }

  files(): CollectedFile[] {
    return [...this.#files.values()].sort((a, b) => (a.relativePath < b.relativePath ? -1 : 1));
  }

  /** Adds what somebody named. */
  async add(path: string): Promise<void> {
    const place = await this.#resolve(path);
    if (place === undefined) {
      if (isPattern(path)) return this.#addPattern(path);
      return this.#warn(`${path} was not found in the context folder and is left out.`);
    }
    const isDirectory = place.stats.isDirectory();
    if (this.#staysBehind(path, isDirectory)) {
      return this.#warn(`${path} is left out: the ignore rules cover it.`);
    }
    if (isDirectory) return this.#walk(path, place.real);
    this.#addFile(path, place);
  }

  /** Of a folder: all that is in it does. */
  #staysBehind(path: string, isDirectory: boolean): boolean {
    if (path === ".") return false;
    if (!isDirectory) return this.#rules.ignores(path);
    return this.#rules.ignores(`${path}/`) && !this.#rules.mayReopen(path);
  }

  async #addPattern(pattern: string): Promise<void> {
    const found = await this.#matches(".", this.#context, pattern.split("/"));
    if (found.length === 0) this.#warn(`Nothing in the context folder fits ${pattern}.`);
    for (const path of found) await this.add(path);
  }

  /** Paths that fit a pattern and are not ignored. `**` is any number of folders, and no link is followed. */
  async #matches(path: string, folder: string, [first, ...rest]: readonly string[]): Promise<string[]> {
    if (first === undefined) return [path];
    const found = first === "**" && rest.length > 0 ? await this.#matches(path, folder, rest) : [];
    for (const entry of await this.#entries(folder)) {
      const inner = below(path, entry.name);
      if (this.#staysBehind(inner, entry.isDirectory())) continue;
      const isMatch = first === "**" || segmentFits(first, entry.name);
      const left = first === "**" && rest.length > 0 ? [first, ...rest] : rest;
      if (!isMatch) continue;
      if (left.length === 0) found.push(inner);
      else if (entry.isDirectory())
        found.push(...(await this.#matches(inner, join(folder, entry.name), left)));
    }
    return [...new Set(found)];
  }

  async #walk(path: string, folder: string): Promise<void> {
    for (const entry of await this.#entries(folder)) {
      const inner = below(path, entry.name);
      if (this.#staysBehind(inner, entry.isDirectory())) continue;
      if (entry.isDirectory()) {
        await this.#walk(inner, join(folder, entry.name));
        continue;
      }
      const place = await this.#resolve(inner, join(folder, entry.name));
      if (place === undefined) {
        this.#warn(
          `${inner} ${entry.isSymbolicLink() ? "is a link to nothing" : "is gone"} and is left out.`,
        );
      } else if (place.stats.isDirectory()) {
        this.#warn(`${inner} is a link to a folder, which is not followed.`);
      } else this.#addFile(inner, place);
    }
  }

  async #entries(folder: string): Promise<Dirent[]> {
    this.#signal?.throwIfAborted();
    try {
      const entries = await readdir(folder, { withFileTypes: true });
      return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    } catch (error) {
      throw unreadable(folder, error);
    }
  }

  /** What lies at a path, links followed; nothing when nothing does. */
  async #resolve(path: string, place: string = join(this.#context, path)): Promise<Place | undefined> {
    this.#signal?.throwIfAborted();
    try {
      const real = await realpath(place);
      const inside = relative(this.#context, real);
      if (inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
        throw uploadFailure(
          `${path} is a link that leads out of the context folder, to ${real}; copy what it links to, or ignore it.`,
        );
      }
      return { real, inside: inside.split(sep).join("/"), stats: await stat(real) };
    } catch (error) {
      if (error instanceof FalServerlessError) throw error;
      const code = errorCode(error);
      // What a name of other bytes than UTF-8 looks like once it is read.
      if (path.includes("\uFFFD")) {
        throw uploadFailure(`${path} has a name that is not UTF-8; rename it, or ignore it.`, {
          cause: error,
        });
      }
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      if (code === "ELOOP") throw uploadFailure(`${path} is a link that leads to itself.`, { cause: error });
      throw unreadable(path, error);
    }
  }

  #addFile(relativePath: string, { real, inside, stats }: Place): void {
    if (!stats.isFile()) {
      return this.#warn(`${relativePath} is neither a file nor a folder and is left out.`);
    }
    // What is ignored stays behind, by whatever path it is reached.
    if (inside !== relativePath && this.#rules.ignores(inside)) {
      return this.#warn(`${relativePath} is left out: it leads to ${inside}, which the ignore rules cover.`);
    }
    checkSize(relativePath, stats.size);
    this.#files.set(relativePath, { relativePath, absolutePath: real, sizeBytes: stats.size });
  }
}

interface Place {
  readonly real: string;
  /** The same below the context folder, with `/` between the segments. */
  readonly inside: string;
  readonly stats: Stats;
}

/** Refuses a file that is larger than {@link MAX_FILE_BYTES}. */
export function checkSize(path: string, sizeBytes: number): void {
  if (sizeBytes <= MAX_FILE_BYTES) return;
  const size = (sizeBytes / MAX_FILE_BYTES).toFixed(2);
  throw uploadFailure(
    `${path} has ${size} GiB; a file may have 1 GiB at most. Ignore it, or load it at start.`,
  );
}
