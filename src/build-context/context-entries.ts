import { lstat, readdir, readlink } from "node:fs/promises";
import { join, posix } from "node:path";
import { FalServerlessError } from "../errors.ts";
import { isPattern, translateSegment } from "./globs.ts";
import type { IgnoreRules } from "./ignore-rules.ts";

/** More links than in any path: they lead in a circle. */
const MAX_LINKS = 40;

/** So many names of secrets that were left out are shown. */
const SHOWN_SECRETS = 10;

/** One thing of a build context. Owner and times are left out: they have no place in an image. */
export interface ContextEntry {
  /** Relative to the context, with `/` between its parts. */
  readonly path: string;
  readonly kind: "file" | "folder" | "link";
  /** In bytes; 0 for folders and links. */
  readonly size: number;
  /** 0o644 or 0o755: whether its owner may run it is all that is kept. */
  readonly mode: number;
  /** The file on this machine. */
  readonly source: string;
  /** Where a link leads, as it was written. */
  readonly target?: string;
}

/** What {@link collectContext} looks for. */
export interface CollectOptions {
  /** The context's folder, absolute. */
  readonly directory: string;
  /** What is wanted, as COPY names it: paths and globs relative to the folder; "." is everything. */
  readonly sources: readonly string[];
  readonly ignore: IgnoreRules;
  /** Paths that come along although they are ignored. */
  readonly always?: readonly string[];
  /** Told of each file and folder that is left out only because its name says that it holds secrets. */
  readonly onSecret?: (path: string) => void;
  /** Takes what the path of a source leads to by links along, as a builder follows them. Not of globs. Default false. */
  readonly followsSources?: boolean;
}

/**
 * Finds what a Dockerfile needs of its context, in the order of its paths: the same files give the same list anywhere.
 * Links are taken as links.
 * @throws FalServerlessError with code BUILD_FAILED for a source that is not there, or is ignored
 */
export async function collectContext(options: CollectOptions): Promise<ContextEntry[]> {
  const { directory, sources, ignore, always = [], followsSources = false, onSecret } = options;
  const entries = new Map<string, ContextEntry>();
  const guarded = new Set<string>();
  for (const source of sources) {
    const isGlob = isPattern(source);
    const { path, links } =
      followsSources && !isGlob ? await follow(directory, source) : { path: source, links: [] };
    const hidden = links.find((link) => ignore.ignores(link));
    if (hidden !== undefined) throw ignoredSource(source, hidden, ignore);
    for (const link of links) entries.set(link, await readEntry(directory, link));
    const before = entries.size;
    const left = new Set<string>();
    const fixed = isGlob ? fixedPart(source) : path;
    const wanted = isGlob ? globExpression(source) : undefined;
    if (wanted !== null) await walk(directory, fixed, ignore, wanted, entries, left);
    const isThere = entries.size > before || (!isGlob && (path === "." || entries.has(path)));
    const [secret] = left;
    if (!isThere && secret !== undefined && isGlob) throw ignoredSource(source, secret, ignore);
    if (!isThere) {
      if ((await typeOf(join(directory, path))) === undefined) throw missingSource(source, directory);
      throw ignoredSource(source, path, ignore);
    }
    for (const each of left) guarded.add(each);
  }
  for (const path of always) {
    if ((await typeOf(join(directory, path))) === undefined) throw missingSource(path, directory);
    await walk(directory, path, undefined, undefined, entries, guarded);
  }
  for (const path of [...guarded].sort()) onSecret?.(path);
  await addParents(directory, entries);
  return [...entries.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** The sum of the sizes, in bytes. */
export function contextSize(entries: readonly ContextEntry[]): number {
  return entries.reduce((sum, { size }) => sum + size, 0);
}

async function walk(
  directory: string,
  path: string,
  ignore: IgnoreRules | undefined,
  wanted: RegExp | undefined,
  entries: Map<string, ContextEntry>,
  guarded: Set<string>,
): Promise<void> {
  const absolute = join(directory, path);
  const type = await typeOf(absolute);
  if (type === undefined) return;
  const isRoot = path === "." || path === "";
  if (type === "folder") {
    const isIgnored = !isRoot && ignore?.ignores(`${path}/`) === true;
    if (isIgnored && !ignore.mayReopen(path)) {
      if (isWanted(path) && ignore.guardsAlone(`${path}/`)) guarded.add(`${path}/`);
      return;
    }
    if (!isRoot && !isIgnored && isWanted(path)) await add(path);
    for (const name of (await readdir(absolute)).sort()) {
      await walk(directory, isRoot ? name : `${path}/${name}`, ignore, wanted, entries, guarded);
    }
  } else if (isWanted(path)) {
    if (!(ignore?.ignores(path) ?? false)) await add(path);
    else if (ignore?.guardsAlone(path) === true) guarded.add(path);
  }

  function isWanted(name: string): boolean {
    return wanted === undefined || wanted.test(name);
  }

  async function add(name: string): Promise<void> {
    if (!entries.has(name)) entries.set(name, await readEntry(directory, name));
  }
}

/** Where a path leads to by its links, and these links. As for a builder, the context's folder is the root. */
async function follow(
  directory: string,
  source: string,
): Promise<{ readonly path: string; readonly links: readonly string[] }> {
  const links: string[] = [];
  let path = source;
  while (links.length < MAX_LINKS) {
    const parts = path.split("/");
    const paths = parts.map((_part, index) => parts.slice(0, index + 1).join("/"));
    const types = await Promise.all(paths.map((each) => typeOf(join(directory, each))));
    const index = types.indexOf("link");
    const link = paths[index];
    if (link === undefined) break;
    links.push(link);
    const target = await readlink(join(directory, link));
    const from = target.startsWith("/") ? "" : posix.dirname(link);
    const led = posix.join("/", from, target, ...parts.slice(index + 1));
    path = led.replace(/^\/|\/$/g, "") || ".";
  }
  return { path, links };
}

/** What is neither file, folder nor link (a socket, a pipe) has no place in an image. */
async function typeOf(path: string): Promise<ContextEntry["kind"] | undefined> {
  try {
    const found = await lstat(path);
    if (found.isSymbolicLink()) return "link";
    return found.isDirectory() ? "folder" : found.isFile() ? "file" : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return undefined;
    throw error;
  }
}

async function readEntry(directory: string, path: string): Promise<ContextEntry> {
  const source = join(directory, path);
  const found = await lstat(source);
  if (found.isSymbolicLink()) {
    return { path, kind: "link", size: 0, mode: 0o777, source, target: await readlink(source) };
  }
  if (found.isDirectory()) return { path, kind: "folder", size: 0, mode: 0o755, source };
  return { path, kind: "file", size: found.size, mode: found.mode & 0o100 ? 0o755 : 0o644, source };
}

/** A folder that comes up only in the path of a file is made by the builder, with times of its own, if it is not named. */
async function addParents(directory: string, entries: Map<string, ContextEntry>): Promise<void> {
  for (const path of entries.keys()) {
    const parts = path.split("/").slice(0, -1);
    for (const [index] of parts.entries()) {
      const parent = parts.slice(0, index + 1).join("/");
      if (!entries.has(parent)) entries.set(parent, await readEntry(directory, parent));
    }
  }
}

/** The folder above a glob's first special part. */
function fixedPart(glob: string): string {
  const parts = glob.split("/");
  const first = parts.findIndex(isPattern);
  return parts.slice(0, first).join("/") || ".";
}

/** Fits every path that a glob names, and what is below one that is a folder; null for what can fit nothing. */
function globExpression(glob: string): RegExp | null {
  const parts: string[] = [];
  for (const part of glob.split("/")) {
    const translated = part === "**" ? "(?:.+/)?" : translateSegment(part);
    if (translated === undefined) return null;
    parts.push(translated);
  }
  const body = parts.map((part, index) =>
    part === "(?:.+/)?" || index === parts.length - 1 ? part : `${part}/`,
  );
  const isTail = parts.at(-1) === "(?:.+/)?";
  return new RegExp(`^${body.join("")}${isTail ? ".+" : "(?:/|$)"}`, "u");
}

function missingSource(source: string, directory: string): FalServerlessError {
  return new FalServerlessError(
    "BUILD_FAILED",
    `The Dockerfile copies "${source}", which is not in ${directory}.`,
  );
}

/** @param path what the source means, which the rules leave out */
function ignoredSource(source: string, path: string, ignore: IgnoreRules): FalServerlessError {
  const isSecret = ignore.guardsAlone(path) || ignore.guardsAlone(`${path.replace(/\/$/, "")}/`);
  return new FalServerlessError(
    "BUILD_FAILED",
    isSecret
      ? `The Dockerfile copies "${source}", which is left out because it may hold secrets: mount it as a secret of the build (RUN --mount=type=secret), or add "!${path}" to .dockerignore, or to the image's option "ignore".`
      : `The Dockerfile copies "${source}", which the ignore rules leave out; take it out of .dockerignore, or add "!${source}".`,
  );
}

/** A sentence about secrets that were left out, by their names alone; undefined for none. */
export function secretsNotice(paths: readonly string[]): string | undefined {
  if (paths.length === 0) return undefined;
  const shown = paths.slice(0, SHOWN_SECRETS).join(", ");
  const more = paths.length > SHOWN_SECRETS ? ` and ${paths.length - SHOWN_SECRETS} more` : "";
  return (
    `Left out, because they may hold secrets: ${shown}${more}. ` +
    `A line such as "!${paths[0]}" in .dockerignore, or in the image's option "ignore", takes one back in.`
  );
}
