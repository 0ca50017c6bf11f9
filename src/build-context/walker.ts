import type { Dirent, Stats } from "node:fs";
import { lstat, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { joinContextPath } from "./context-path.ts";
import type { PathGlob } from "./globs.ts";
import type { IgnoreRules } from "./ignore-rules.ts";

/** The type of a directory entry. "other" is a socket, a pipe or a device. */
export type EntryKind = "file" | "folder" | "link" | "other";

/** A path that a walk has found. */
export interface WalkedEntry {
  /** Relative to the context, with `/` between the segments. */
  readonly path: string;
  readonly absolutePath: string;
  readonly kind: EntryKind;
  /** The ignore rules exclude it. An excluded folder with exceptions below it is walked, but not reported. */
  readonly isIgnored: boolean;
  /** It is the start of the walk, or the glob matches the path itself, not only a folder above it. */
  readonly isNamed: boolean;
}

/** Options of {@link walk}. */
export interface WalkOptions {
  readonly ignore: IgnoreRules;
  /** Limits the walk to matching paths and what is below them. */
  readonly glob?: PathGlob | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Yields a path and, if it is a folder, everything below it, sorted by name. Links are yielded as links and never
 * followed: the caller keeps or resolves them.
 * @param start a path in the context; "." is the context itself, which is not yielded
 * @param absolutePath where the walk starts on this machine
 * @throws the system's error if a folder can't be read; the signal's reason
 */
export async function* walk(
  start: string,
  absolutePath: string,
  { ignore, glob, signal }: WalkOptions,
): AsyncGenerator<WalkedEntry, void, undefined> {
  // Follows a link only for the context folder itself.
  const kind = await kindAt(absolutePath, start === "." ? stat : lstat);
  const pending = kind === undefined ? [] : [{ path: start, absolutePath, kind }];
  for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
    const { path } = entry;
    const isRoot = path === ".";
    const match = isRoot ? "above" : glob === undefined ? "below" : glob.match(path);
    if (match === undefined) continue;
    const isFolder = entry.kind === "folder";
    const isIgnored = !isRoot && ignore.ignores(isFolder ? `${path}/` : path);
    const isWalked = isFolder && (!isIgnored || ignore.mayReopen(path));
    if (match !== "above" && !(isIgnored && isWalked)) {
      yield { ...entry, isIgnored, isNamed: match === "self" || path === start };
    }
    if (!isWalked) continue;
    signal?.throwIfAborted();
    const found = await readdir(entry.absolutePath, { withFileTypes: true });
    for (const each of found.sort((a, b) => (a.name < b.name ? 1 : -1))) {
      const inner = {
        path: joinContextPath(path, each.name),
        absolutePath: join(entry.absolutePath, each.name),
      };
      pending.push({ ...inner, kind: kindOf(each) });
    }
  }
}

/** Returns the type of the entry at a path; undefined if it does not exist. Does not follow links by default. */
export async function kindAt(
  path: string,
  readStats: (path: string) => Promise<Stats> = lstat,
): Promise<EntryKind | undefined> {
  try {
    return kindOf(await readStats(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return undefined;
    throw error;
  }
}

function kindOf(entry: Dirent | Stats): EntryKind {
  if (entry.isSymbolicLink()) return "link";
  return entry.isDirectory() ? "folder" : entry.isFile() ? "file" : "other";
}
