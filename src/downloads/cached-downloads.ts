import { readdirSync, rmdirSync, statSync } from "node:fs";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { FileLock } from "../cache/file-lock.ts";
import { downloadCache, filesFolder, repositoriesFolder } from "./download-folders.ts";
import { StoredFile } from "./stored-file.ts";

/** One download in the cache. */
export interface CachedDownload {
  readonly key: string;
  readonly kind: "file" | "repository";
  /** "ready"; "running" while a process downloads it; "unfinished" if its process has ended before it was complete. */
  readonly state: "ready" | "running" | "unfinished";
  /** Where it came from, without a query; undefined if that is not known. */
  readonly source: string | undefined;
  /** The file or the folder, or the folder of the unfinished download. */
  readonly path: string;
  /** The commit of a repository. */
  readonly commit: string | undefined;
  readonly sizeBytes: number;
  readonly downloadedAt: Date | undefined;
  /** The last use, which may be up to a day later; undefined for an unfinished download. */
  readonly lastUsedAt: Date | undefined;
}

/** Downloads to remove in addition to unfinished ones. */
export interface PruneDownloadsOptions {
  /** Remove downloads whose last use is longer ago than this, in ms. */
  readonly olderThanMs?: number;
  /** Remove all downloads. Default false. */
  readonly all?: boolean;
  /** Remove nothing, and return the downloads that would be removed. Default false. */
  readonly dryRun?: boolean;
}

/** The downloads that were removed, or would be. */
export interface PrunedDownloads {
  readonly removed: readonly CachedDownload[];
  /** Downloads that a process works on, and were therefore kept. */
  readonly kept: readonly CachedDownload[];
  readonly freedBytes: number;
}

/** The downloads of a cache, the largest first. Files that were downloaded into other folders are not among them. */
export async function listDownloads(cache: string = downloadCache()): Promise<CachedDownload[]> {
  const kinds = [
    ["file", filesFolder(cache)],
    ["repository", repositoriesFolder(cache)],
  ] as const;
  const found: CachedDownload[] = [];
  for (const [kind, parent] of kinds) {
    for (const key of namesIn(parent)) {
      const folder = join(parent, key);
      if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) {
        found.push(await describe(kind, new StoredFile(folder, key)));
      }
    }
  }
  return found.toSorted((one, other) => other.sizeBytes - one.sizeBytes);
}

/** Removes downloads of a cache. */
export async function pruneDownloads(
  { olderThanMs, all = false, dryRun = false }: PruneDownloadsOptions,
  cache: string = downloadCache(),
): Promise<PrunedDownloads> {
  const removed: CachedDownload[] = [];
  const kept: CachedDownload[] = [];
  for (const download of await listDownloads(cache)) {
    const { state, lastUsedAt } = download;
    const isOld = olderThanMs !== undefined && Date.now() - (lastUsedAt?.getTime() ?? 0) > olderThanMs;
    if (state === "ready" && !all && !isOld) continue;
    if (state === "running") kept.push(download);
    else if (dryRun || (await remove(cache, download))) removed.push(download);
    else kept.push(download);
  }
  return { removed, kept, freedBytes: removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}

async function describe(kind: CachedDownload["kind"], place: StoredFile): Promise<CachedDownload> {
  const record = place.record();
  const common = { key: place.key, kind };
  const isRunning = FileLock.isLive(place.lockPath);
  if (record === undefined) {
    return {
      ...common,
      state: isRunning ? "running" : "unfinished",
      source: place.partRecord()?.source,
      path: place.folder,
      commit: undefined,
      sizeBytes: await folderBytes(place.folder),
      downloadedAt: undefined,
      lastUsedAt: undefined,
    };
  }
  return {
    ...common,
    state: isRunning ? "running" : "ready",
    source: record.source,
    path: place.pathOf(record.name),
    commit: record.commit,
    sizeBytes: record.sizeBytes,
    downloadedAt: new Date(record.downloadedAt),
    lastUsedAt: place.usedAt(),
  };
}

/** Removes a download under its lock. False if a process has begun to work on it. */
async function remove(cache: string, { key, kind }: CachedDownload): Promise<boolean> {
  const parent = kind === "file" ? filesFolder(cache) : repositoriesFolder(cache);
  const place = new StoredFile(join(parent, key), key);
  const lock = FileLock.tryAcquire(place.lockPath);
  if (lock === undefined) return false;
  try {
    place.forget(); // first, so that nothing takes a half-removed download for complete
    for (const name of namesIn(place.folder)) {
      const path = join(place.folder, name);
      if (path !== place.lockPath) await rm(path, { recursive: true, force: true });
    }
  } finally {
    lock.release();
  }
  try {
    rmdirSync(place.folder);
  } catch {
    // another process has just begun to download it again
  }
  return true;
}

/** The size of all files in a folder and its folders, in bytes. */
export async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const status = await stat(join(entry.parentPath, entry.name)).catch(() => undefined); // removed meanwhile
    bytes += status?.size ?? 0;
  }
  return bytes;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
}
