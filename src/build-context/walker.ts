import type { Dirent, Stats } from "node:fs";
import { lstat, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { joinContextPath } from "./context-path.ts";
import type { PathGlob } from "./globs.ts";
import type { IgnoreRules } from "./ignore-rules.ts";

/** What is at a path. "other" is a socket, a pipe or a device. */
export type EntryKind = "file" | "folder" | "link" | "other";

/** A path that a walk has found. */
export interface WalkedEntry {
  /** Relative to the context, with `/` between the segments. */
  readonly path: string;
  readonly absolutePath: string;
  readonly kind: EntryKind;
  /** The ignore rules exclude it. A folder that they exclude but for something below it is walked and not reported. */
  readonly isIgnored: boolean;
  /** It is the start of the walk, or the glob matches the path itself rather than a folder above it. */
  readonly isNamed: boolean;
}

/** What a walk reports. */
export interface WalkOptions {
  readonly ignore: IgnoreRules;
  /** Limits the walk to what the glob matches. */
  readonly glob?: PathGlob | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reports a path and, if it is a folder, all that is below it, in the order of names. Links are reported as links and
 * never followed: the caller keeps or resolves them.
 * @param start a path in the context; "." is the context itself, which is not reported
 * @param absolutePath where the walk starts on this machine
 * @throws the system's error for what can't be read; the signal's reason
 */
export async function* walk(
  start: string,
  absolutePath: string,
  { ignore, glob, signal }: WalkOptions,
): AsyncGenerator<WalkedEntry, void, undefined> {
  // The context itself may be a link.
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

/** What is at a path, links not followed by default; undefined if nothing is. */
export async function kindAt(
  path: string,
  look: (path: string) => Promise<Stats> = lstat,
): Promise<EntryKind | undefined> {
  try {
    return kindOf(await look(path));
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
