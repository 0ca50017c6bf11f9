import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { makeCacheFolder, unusableCache, type CacheContent } from "../cache/cache-directory.ts";
import { FileLock, type LockWait } from "../cache/file-lock.ts";
import { manifestPath, readManifest, writeManifest, type Manifest } from "./manifest.ts";
import { countUses, UseMarks } from "./use-marks.ts";

/** Environments as a content of the cache. */
export const ENVIRONMENTS: CacheContent = { name: "environments", code: "ENVIRONMENT_FAILED" };

/**
 * The folders of environments:
 *
 *     environments/KEY/environment.json   the manifest, which names the current generation; written last
 *     environments/KEY/GENERATION/        an installation; incomplete or replaced if the manifest does not name it
 *     environments/KEY/use-GENERATION-*   marks of the processes that use or install it
 *     locks/KEY                           the lock for installing and removing
 *     trash/                              folders that are being deleted
 *
 * An environment is installed in its final folder, so that paths which install scripts record stay valid.
 */
export class EnvironmentStore {
  readonly marks: UseMarks = new UseMarks();
  readonly #environments: string;
  readonly #locks: string;
  readonly #trash: string;
  readonly root: string;

  constructor(root: string) {
    this.root = root;
    this.#environments = join(root, "environments");
    this.#locks = join(root, "locks");
    this.#trash = join(root, "trash");
  }

  /** The folder of a key. */
  parentOf(key: string): string {
    return join(this.#environments, key);
  }

  /** The key and the folder of the environment that a path lies in. */
  ownerOf(path: string): { readonly key: string; readonly generation: string } | undefined {
    if (!path.startsWith(this.#environments)) return undefined;
    const [, key, generation] = path.slice(this.#environments.length).split(/[/\\]/);
    return key === undefined || generation === undefined ? undefined : { key, generation };
  }

  /** The manifest of a complete environment; undefined if there is none. */
  find(key: string): Manifest | undefined {
    const parent = this.parentOf(key);
    const manifest = readManifest(parent);
    const isWhole = manifest?.key === key && existsSync(join(parent, manifest.generation, "node_modules"));
    return isWhole ? manifest : undefined;
  }

  /** Like {@link find}, but also protects the environment from removal for a short time. */
  take(key: string): Manifest | undefined {
    const manifest = this.find(key);
    if (manifest === undefined) return undefined;
    const parent = this.parentOf(key);
    try {
      this.marks.holdBriefly(parent, manifest.generation);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT")
        throw unusableCache(ENVIRONMENTS, parent, error);
    }
    // A removal first removes the manifest and then looks for marks. If the manifest is still there, it has seen this
    // mark.
    return readManifest(parent)?.generation === manifest.generation ? manifest : undefined;
  }

  /** Records the current time as the environment's last use. */
  touch(key: string): void {
    const now = new Date();
    try {
      utimesSync(manifestPath(this.parentOf(key)), now, now);
    } catch {
      // a cache that can't be written, or an environment that force has replaced
    }
  }

  /** Waits for the lock of a key, which allows installing and removing its folders. */
  async lock<T>(key: string, wait: LockWait<T>): Promise<FileLock | T> {
    makeCacheFolder(ENVIRONMENTS, this.#environments);
    makeCacheFolder(ENVIRONMENTS, this.#locks);
    try {
      return await FileLock.acquire(join(this.#locks, key), wait);
    } catch (error) {
      if (!isFileSystemError(error)) throw error;
      throw unusableCache(ENVIRONMENTS, this.#locks, error);
    }
  }

  /** Creates a folder for a new environment, marked as used by this process. */
  begin(key: string): { readonly generation: string; readonly directory: string; readonly hold: Disposable } {
    const parent = this.parentOf(key);
    const generation = `${Date.now().toString(36)}${randomBytes(4).toString("hex")}`;
    const directory = join(parent, generation);
    makeCacheFolder(ENVIRONMENTS, parent);
    const hold = this.marks.hold(parent, generation);
    try {
      mkdirSync(directory);
    } catch (error) {
      hold[Symbol.dispose]();
      throw error;
    }
    return { generation, directory, hold };
  }

  /** Publishes a complete folder as the environment of its key. */
  publish(manifest: Manifest): void {
    writeManifest(this.parentOf(manifest.key), manifest);
  }

  /** Removes a folder that is not needed. */
  async discard(directory: string): Promise<void> {
    await rm(this.#aside(directory), { recursive: true, force: true, maxRetries: 3 });
  }

  /** The keys that have a folder. */
  keys(): string[] {
    try {
      return readdirSync(this.#environments, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
        .sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw unusableCache(ENVIRONMENTS, this.#environments, error);
    }
  }

  /** The generations of a key. */
  generations(key: string): string[] {
    try {
      return readdirSync(this.parentOf(key), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name);
    } catch {
      return []; // just removed
    }
  }

  /** Number of processes that use each generation of a key. */
  uses(key: string): Map<string, number> {
    try {
      return countUses(this.parentOf(key));
    } catch {
      return new Map(); // just removed
    }
  }

  /** Time of an environment's last use, in milliseconds since 1970. */
  lastUsed(key: string): number {
    return statSync(manifestPath(this.parentOf(key)), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  }

  /**
   * Removes the generations of a key that are neither its environment nor in use. The caller must hold the key's lock.
   */
  async removeLeftovers(key: string): Promise<string[]> {
    const current = this.find(key)?.generation;
    const uses = this.uses(key);
    const parent = this.parentOf(key);
    const removed: string[] = [];
    for (const generation of this.generations(key)) {
      if (generation === current || uses.has(generation)) continue;
      await this.discard(join(parent, generation));
      removed.push(join(parent, generation));
    }
    this.#removeParentIfEmpty(parent, current);
    return removed;
  }

  /**
   * Removes an environment unless it is in use; returns whether it was removed. The caller must hold the key's lock.
   */
  async remove(key: string): Promise<boolean> {
    const parent = this.parentOf(key);
    const manifest = readManifest(parent);
    if (manifest !== undefined) {
      const { generation } = manifest;
      if (this.uses(key).has(generation)) return false;
      const path = manifestPath(parent);
      const { mtime } = statSync(path);
      renameSync(path, `${path}.removed`);
      if (this.uses(key).has(generation)) {
        renameSync(`${path}.removed`, path); // a process has begun to use it at this moment
        utimesSync(path, mtime, mtime);
        return false;
      }
      rmSync(`${path}.removed`, { force: true });
    }
    await this.removeLeftovers(key);
    return true;
  }

  /**
   * Removes the remains of dead processes under each key whose lock is free. A failure is ignored: a later sweep tries
   * again.
   */
  async sweep(): Promise<void> {
    for (const key of this.keys()) {
      const isClean = this.generations(key).every(
        (name) => name === readManifest(this.parentOf(key))?.generation,
      );
      if (isClean && this.find(key) !== undefined) continue;
      using lock = this.tryLock(key);
      if (lock !== undefined) await this.removeLeftovers(key).catch(() => {});
    }
    await this.emptyTrash();
  }

  /** The lock of a key; undefined if another process holds it. */
  tryLock(key: string): FileLock | undefined {
    makeCacheFolder(ENVIRONMENTS, this.#locks);
    try {
      return FileLock.tryAcquire(join(this.#locks, key));
    } catch {
      return undefined;
    }
  }

  /** Whether a process is installing or removing under a key. */
  isBusy(key: string): boolean {
    return existsSync(join(this.#locks, key)) && FileLock.isLive(join(this.#locks, key));
  }

  /** Deletes the content of the trash folder. */
  async emptyTrash(): Promise<void> {
    await rm(this.#trash, { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
  }

  #removeParentIfEmpty(parent: string, current: string | undefined): void {
    if (current !== undefined) return;
    rmSync(manifestPath(parent), { force: true }); // the manifest names a folder that does not exist
    try {
      for (const name of readdirSync(parent)) {
        if (name.startsWith("environment.json")) rmSync(join(parent, name), { force: true });
      }
      rmdirSync(parent);
    } catch {
      // the folder still has a generation in use
    }
  }

  /** Moves a folder to the trash by one rename, so that no process finds a partially deleted folder. */
  #aside(directory: string): string {
    if (!existsSync(directory)) return directory;
    const aside = join(this.#trash, randomBytes(8).toString("hex"));
    try {
      mkdirSync(this.#trash, { recursive: true });
      renameSync(directory, aside);
      return aside;
    } catch {
      return directory;
    }
  }
}

function isFileSystemError(error: unknown): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return code !== undefined && syscall !== undefined;
}
