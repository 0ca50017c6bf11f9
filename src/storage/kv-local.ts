import { createHash, randomBytes } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheDirectory, makeCacheFolder, unusableCache } from "../cache/cache-directory.ts";
import type { KvBackend } from "./kv-backend.ts";

const CONTENT = { name: "values of a KVStore", code: "KV_FAILED" } as const;

/** The folder of a database in the cache. @throws FalServerlessError with code KV_FAILED if there is no home folder */
export function localKvFolder(db: string): string {
  return join(cacheDirectory(CONTENT), "kv", db);
}

/** A value as it is stored. */
interface Entry {
  readonly key: string;
  readonly value: string;
  /** In milliseconds since 1970; null: never. */
  readonly expiresAt: number | null;
}

/** Keeps each value in a file. A file is replaced as a whole, so that readers and killed writers leave none half written. */
export class LocalKv implements KvBackend {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    makeCacheFolder(CONTENT, folder);
  }

  async get(key: string): Promise<string | undefined> {
    const path = this.#pathOf(key);
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw unusableCache(CONTENT, this.#folder, error);
    }
    const { value, expiresAt } = JSON.parse(text) as Entry;
    // The file stays: another process may be about to replace it.
    return expiresAt !== null && Date.now() >= expiresAt ? undefined : value;
  }

  async set(key: string, value: string, ttlSeconds: number | undefined): Promise<void> {
    const expiresAt = ttlSeconds === undefined ? null : Date.now() + 1_000 * ttlSeconds;
    const entry: Entry = { key, value, expiresAt };
    const temporary = join(this.#folder, `.${randomBytes(8).toString("hex")}.tmp`);
    try {
      await writeFile(temporary, JSON.stringify(entry), { flush: true });
      await rename(temporary, this.#pathOf(key));
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      throw unusableCache(CONTENT, this.#folder, error);
    }
  }

  async delete(key: string): Promise<void> {
    try {
      await rm(this.#pathOf(key), { force: true });
    } catch (error) {
      throw unusableCache(CONTENT, this.#folder, error);
    }
  }

  /** Keys may have characters that file names may not. */
  #pathOf(key: string): string {
    return join(this.#folder, `${createHash("sha256").update(key).digest("hex")}.json`);
  }
}
