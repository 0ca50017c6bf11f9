import { lstat, readlink } from "node:fs/promises";
import { join, posix } from "node:path";
import { FalServerlessError } from "../errors.ts";
import { isPattern, PathGlob } from "./globs.ts";
import type { IgnoreRules } from "./ignore-rules.ts";
import { kindAt, walk } from "./walker.ts";

/** Maximum number of links that are followed in one path. A longer chain is treated as a cycle. */
const MAX_LINKS = 40;

/** Maximum number of excluded secrets that a notice names. */
const SHOWN_SECRETS = 10;

/** A file, folder or link of a build context. Owner and times are omitted, so that they don't change the image. */
export interface ContextEntry {
  /** Relative to the context, with `/` between the segments. */
  readonly path: string;
  readonly kind: "file" | "folder" | "link";
  /** In bytes; 0 for folders and links. */
  readonly size: number;
  /** 0o644, or 0o755 for a folder and for a file that its owner may execute. */
  readonly mode: number;
  /** The file on this machine. */
  readonly source: string;
  /** The target of a link, as written in the link. */
  readonly target?: string;
}

/** Options of {@link collectContext}. */
export interface ContextOptions {
  /** The context's folder, absolute. */
  readonly directory: string;
  /** The sources of COPY: paths and globs relative to the folder; "." is everything. */
  readonly sources: readonly string[];
  readonly ignore: IgnoreRules;
  /** Called for each file and folder that is excluded only because its name is typical of secrets. */
  readonly onSecret?: (path: string) => void;
  /** Follows links in the path of a source, as a builder does, and includes their targets. Not for globs. Default false. */
  readonly followsSources?: boolean;
}

/**
 * Finds the files that a Dockerfile copies from its context. Sorted by path, so that the same files give the same list on
 * every machine. Links are kept as links.
 * @throws FalServerlessError with code BUILD_FAILED for a source that is missing or ignored
 */
export async function collectContext(options: ContextOptions): Promise<ContextEntry[]> {
  const { directory, sources, ignore, followsSources = false, onSecret } = options;
  const entries = new Map<string, ContextEntry>();
  const secrets = new Set<string>();
  for (const source of sources) {
    const glob = isPattern(source) ? new PathGlob(source) : undefined;
    const { path, links } =
      followsSources && glob === undefined ? await follow(directory, source) : { path: source, links: [] };
    const ignoredLink = links.find((link) => ignore.ignores(link));
    if (ignoredLink !== undefined) throw ignoredSource(source, ignoredLink, ignore);
    for (const link of links) entries.set(link, await readEntry(directory, link));
    const start = glob === undefined ? path : ".";
    const leftOut: string[] = [];
    let isThere = path === ".";
    for await (const found of walk(start, join(directory, start), { ignore, glob })) {
      if (found.kind === "other") continue;
      if (found.isIgnored) {
        const name = found.kind === "folder" ? `${found.path}/` : found.path;
        if (ignore.guardsAlone(name)) leftOut.push(name);
        continue;
      }
      isThere = true;
      if (!entries.has(found.path)) entries.set(found.path, await readEntry(directory, found.path));
    }
    const [secret] = leftOut;
    if (!isThere && glob !== undefined && secret !== undefined) throw ignoredSource(source, secret, ignore);
    if (!isThere) {
      const kind = await kindAt(join(directory, path));
      throw kind === undefined || kind === "other"
        ? missingSource(source, directory)
        : ignoredSource(source, path, ignore);
    }
    for (const each of leftOut) secrets.add(each);
  }
  for (const path of [...secrets].sort()) onSecret?.(path);
  await addParents(directory, entries);
  return [...entries.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** The total size, in bytes. */
export function contextSize(entries: readonly ContextEntry[]): number {
  return entries.reduce((sum, { size }) => sum + size, 0);
}

/** Resolves the links in a path, with the context as the root of absolute links, as a builder does. */
async function follow(
  directory: string,
  source: string,
): Promise<{ readonly path: string; readonly links: readonly string[] }> {
  const links: string[] = [];
  let path = source;
  while (links.length < MAX_LINKS) {
    const parts = path.split("/");
    const paths = parts.map((_part, index) => parts.slice(0, index + 1).join("/"));
    const types = await Promise.all(paths.map((each) => kindAt(join(directory, each))));
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

async function readEntry(directory: string, path: string): Promise<ContextEntry> {
  const source = join(directory, path);
  const found = await lstat(source);
  if (found.isSymbolicLink()) {
    return { path, kind: "link", size: 0, mode: 0o777, source, target: await readlink(source) };
  }
  if (found.isDirectory()) return { path, kind: "folder", size: 0, mode: 0o755, source };
  return { path, kind: "file", size: found.size, mode: found.mode & 0o100 ? 0o755 : 0o644, source };
}

/** Adds the parent folders of all files. Otherwise the builder creates them with the current time, which changes the image. */
async function addParents(directory: string, entries: Map<string, ContextEntry>): Promise<void> {
  for (const path of entries.keys()) {
    const parts = path.split("/").slice(0, -1);
    for (const [index] of parts.entries()) {
      const parent = parts.slice(0, index + 1).join("/");
      if (!entries.has(parent)) entries.set(parent, await readEntry(directory, parent));
    }
  }
}

function missingSource(source: string, directory: string): FalServerlessError {
  return new FalServerlessError(
    "BUILD_FAILED",
    `The Dockerfile copies "${source}", which is not in ${directory}.`,
  );
}

/** @param path the path that the rules exclude */
function ignoredSource(source: string, path: string, ignore: IgnoreRules): FalServerlessError {
  const isSecret = ignore.guardsAlone(path) || ignore.guardsAlone(`${path.replace(/\/$/, "")}/`);
  return new FalServerlessError(
    "BUILD_FAILED",
    isSecret
      ? `The Dockerfile copies "${source}", which is excluded because it may contain secrets: mount it as a secret of the build (RUN --mount=type=secret), or add "!${path}" to .dockerignore or to the image's option "ignore".`
      : `The Dockerfile copies "${source}", which the ignore rules exclude; remove the rule from .dockerignore, or add "!${source}".`,
  );
}

/** A notice that names excluded secrets; undefined if there are none. */
export function secretsNotice(paths: readonly string[]): string | undefined {
  if (paths.length === 0) return undefined;
  const shown = paths.slice(0, SHOWN_SECRETS).join(", ");
  const more = paths.length > SHOWN_SECRETS ? ` and ${paths.length - SHOWN_SECRETS} more` : "";
  return (
    `Excluded because they may contain secrets: ${shown}${more}. ` +
    `A line such as "!${paths[0]}" in .dockerignore, or in the image's option "ignore", includes it.`
  );
}
