import { createHash, randomBytes, randomInt } from "node:crypto";
import { link, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheDirectory, makeCacheFolder, unusableCache } from "../cache/cache-directory.ts";
import { FalServerlessError } from "../errors.ts";
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

/** Time after which a file that was being written is left over, in milliseconds. */
const LEFT_MS = 3_600_000;

/** The number of files that a process looks at to find expired values. */
const SWEPT_FILES = 1_000;

/** Keeps each value in a file. A file is replaced as a whole, so that readers and killed writers leave none half written. */
export class LocalKv implements KvBackend {
  readonly #folder: string;
  #isSwept = false;

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
    const entry = readEntry(text);
    if (entry === undefined) {
      throw new FalServerlessError(
        "KV_FAILED",
        `The KVStore failed: the file ${path} is damaged; delete it.`,
      );
    }
    return isExpired(entry) ? undefined : entry.value;
  }

  async set(key: string, value: string, ttlSeconds: number | undefined): Promise<void> {
    const expiresAt = ttlSeconds === undefined ? null : Date.now() + 1_000 * ttlSeconds;
    const entry: Entry = { key, value, expiresAt };
    const temporary = join(this.#folder, `.${randomBytes(8).toString("hex")}.tmp`);
    try {
      if (!this.#isSwept) await this.#sweep();
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

  /**
   * Removes expired values and leftovers of killed processes, which would fill the disk. Looks at some of many files, from
   * a random place, so that each process does a part.
   */
  async #sweep(): Promise<void> {
    this.#isSwept = true;
    const names = await readdir(this.#folder);
    const start = names.length > SWEPT_FILES ? randomInt(names.length - SWEPT_FILES) : 0;
    for (const name of names.slice(start, start + SWEPT_FILES)) {
      const path = join(this.#folder, name);
      const isLeft = name.endsWith(".tmp") && Date.now() - (await changedAt(path)) > LEFT_MS;
      if (isLeft) await rm(path, { force: true });
      if (!name.endsWith(".json")) continue;
      const entry = readEntry(await readFile(path, "utf8").catch(() => ""));
      if (entry !== undefined && isExpired(entry)) await this.#removeExpired(path);
    }
  }

  /** Removes an expired value. Another process may have replaced it by a new one, which is put back. */
  async #removeExpired(path: string): Promise<void> {
    const aside = join(this.#folder, `.${randomBytes(8).toString("hex")}.tmp`);
    try {
      await rename(path, aside);
      const entry = readEntry(await readFile(aside, "utf8"));
      if (entry !== undefined && !isExpired(entry)) await link(aside, path);
    } catch {
      // another process has removed it, or has set it once more
    }
    await rm(aside, { force: true });
  }

  /** Keys may have characters that file names may not. */
  #pathOf(key: string): string {
    return join(this.#folder, `${createHash("sha256").update(key).digest("hex")}.json`);
  }
}

function isExpired({ expiresAt }: Entry): boolean {
  return expiresAt !== null && Date.now() >= expiresAt;
}

/** The value in a file; undefined if the file is damaged. */
function readEntry(text: string): Entry | undefined {
  try {
    const entry = JSON.parse(text) as Partial<Entry> | null;
    return typeof entry?.value === "string" ? (entry as Entry) : undefined;
  } catch {
    return undefined;
  }
}

async function changedAt(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? Infinity;
}
