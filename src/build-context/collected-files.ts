import type { Stats } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import { FalServerlessError } from "../errors.ts";
import { contextPath } from "./context-path.ts";
import { isPattern, PathGlob } from "./globs.ts";
import { IgnoreRules } from "./ignore-rules.ts";
import { errorCode, unreadable, uploadFailure } from "./file-failures.ts";
import { walk, type WalkedEntry } from "./walker.ts";

/** The largest file that the store accepts, in bytes: 1 GiB. */
const MAX_FILE_BYTES = 1024 ** 3;

/** One file of a context. */
export interface CollectedFile {
  /** Relative to the context folder, with `/` between the segments. */
  readonly relativePath: string;
  /** The file on this machine; for a link, its target. */
  readonly absolutePath: string;
  readonly sizeBytes: number;
}

/** The part of {@link CollectOptions} that the caller of a deployment sets. */
export interface FileCollection {
  /** Receives a message for each file that is skipped although the app may need it. */
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link collectFiles}. */
export interface CollectOptions extends FileCollection {
  /** The context folder. */
  readonly context: string;
  /** Files, folders and patterns (`*.json`, `src/**`), relative to the context folder. Default: all of it. */
  readonly paths?: readonly string[] | undefined;
  /** Rules, or lines in the format of a `.gitignore`. Default: the rules of the context folder. */
  readonly ignore?: IgnoreRules | readonly string[] | undefined;
}

/**
 * Finds the files of a context folder that a deployment uploads. Each file is listed once; the list is sorted by path.
 * A link to a file is uploaded as a file with the content of its target, unless the rules ignore the target. A link to a
 * folder is followed only if a path or a pattern names it.
 *
 * @throws FalServerlessError with code UPLOAD_FAILED if a path is absolute or has a `..`, a link leads out of the folder, a
 * file is larger than {@link MAX_FILE_BYTES} or a file can't be read; DefinitionError with code IMAGE_INVALID if the
 * `.dockerignore` can't be read
 */
export async function collectFiles(options: CollectOptions): Promise<CollectedFile[]> {
  const paths = (options.paths ?? ["."]).map(contextPath);
  const context = await contextFolder(options.context);
  const collection = new Collection(context, rulesOf(context, options.ignore), options);
  for (const path of paths) await collection.add(path);
  return collection.files();
}

/** Recognizes rules by their methods, not their class, because they may come from another copy of this package. */
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
    throw uploadFailure(`The context folder ${path} does not exist.`, { cause: error });
  }
  throw uploadFailure(`The context ${path} is not a folder.`);
}

class Collection {
  readonly #files = new Map<string, CollectedFile>();
  readonly #context: string;
  readonly #ignore: IgnoreRules;
  readonly #warn: (message: string) => void;
  readonly #signal: AbortSignal | undefined;

  constructor(context: string, ignore: IgnoreRules, { onWarning, signal }: CollectOptions) {
    this.#context = context;
    this.#ignore = ignore;
    this.#warn = onWarning ?? (() => {});
    this.#signal = signal;
  }

  files(): CollectedFile[] {
    return [...this.#files.values()].sort((a, b) => (a.relativePath < b.relativePath ? -1 : 1));
  }

  /** Adds a path or a pattern from the options. */
  async add(path: string): Promise<void> {
    const target = await this.#resolve(path);
    if (target !== undefined) return this.#addTarget(path, target);
    if (!isPattern(path)) {
      return this.#warn(`${path} was not found in the context folder and is skipped.`);
    }
    let isFound = false;
    for await (const entry of this.#walk(".", this.#context, new PathGlob(path))) {
      isFound = true;
      await this.#addEntry(entry);
    }
    if (!isFound) this.#warn(`No file in the context folder matches ${path}.`);
  }

  async #addTarget(path: string, target: Target): Promise<void> {
    const isFolder = target.stats.isDirectory();
    const isIgnored = path !== "." && this.#ignore.ignores(isFolder ? `${path}/` : path);
    if (isIgnored && !(isFolder && this.#ignore.mayReopen(path))) {
      return this.#warn(`${path} is skipped: the ignore rules exclude it.`);
    }
    if (!isFolder) return this.#addFile(path, target);
    for await (const entry of this.#walk(path, target.real)) await this.#addEntry(entry);
  }

  async *#walk(path: string, folder: string, glob?: PathGlob): AsyncGenerator<WalkedEntry, void, undefined> {
    try {
      for await (const entry of walk(path, folder, { ignore: this.#ignore, glob, signal: this.#signal })) {
        if (!entry.isIgnored) yield entry;
      }
    } catch (error) {
      const { syscall, path: unread = folder } = error as NodeJS.ErrnoException;
      throw syscall === undefined ? error : unreadable(unread, error);
    }
  }

  async #addEntry({ path, absolutePath, kind, isNamed }: WalkedEntry): Promise<void> {
    if (kind === "folder") return;
    const target = await this.#resolve(path, absolutePath);
    if (target === undefined) {
      this.#warn(`${path} ${kind === "link" ? "is a link to nothing" : "no longer exists"} and is skipped.`);
    } else if (isNamed) await this.#addTarget(path, target);
    else if (target.stats.isDirectory()) {
      this.#warn(`${path} is a link to a folder and is not followed.`);
    } else this.#addFile(path, target);
  }

  /** The target of a path, links followed; undefined if it does not exist. */
  async #resolve(path: string, absolutePath = join(this.#context, path)): Promise<Target | undefined> {
    this.#signal?.throwIfAborted();
    try {
      const real = await realpath(absolutePath);
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
      // Node replaces bytes of a file name that are not UTF-8 by this character.
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

  #addFile(relativePath: string, { real, inside, stats }: Target): void {
    if (!stats.isFile()) {
      return this.#warn(`${relativePath} is neither a file nor a folder and is skipped.`);
    }
    // An ignored file is skipped even if a link with another name leads to it.
    if (inside !== relativePath && this.#ignore.ignores(inside)) {
      return this.#warn(`${relativePath} is skipped: it leads to ${inside}, which the ignore rules exclude.`);
    }
    checkSize(relativePath, stats.size);
    this.#files.set(relativePath, { relativePath, absolutePath: real, sizeBytes: stats.size });
  }
}

/** The file or folder that a path leads to. */
interface Target {
  readonly real: string;
  /** Its path relative to the context folder, with `/` between the segments. */
  readonly inside: string;
  readonly stats: Stats;
}

/** @throws FalServerlessError with code UPLOAD_FAILED if a file is larger than {@link MAX_FILE_BYTES} */
export function checkSize(path: string, sizeBytes: number): void {
  if (sizeBytes <= MAX_FILE_BYTES) return;
  const size = (sizeBytes / MAX_FILE_BYTES).toFixed(2);
  throw uploadFailure(
    `${path} has ${size} GiB; a file may have 1 GiB at most. Ignore it, or load it at start.`,
  );
}
