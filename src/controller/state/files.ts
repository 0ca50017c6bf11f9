import { createHash, randomUUID, type Hash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync, mkdirSync, statSync, utimesSync } from "node:fs";
import { chmod, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** A file whose content is not what its name promises. */
export class FileMismatch extends Error {}

/** More files than the store may have. */
export class FileQuotaExceeded extends Error {}

/** The type of a regular file in its mode, which is part of the hash. */
const REGULAR_FILE = 0o100000;

/**
 * The files of deployments, each stored once: `files/ab/abcdef…`, named by the SHA-256 of its bytes followed by its mode as
 * a decimal number. The mode is that of the stored file.
 */
export class FileStore {
  readonly #root: string;
  readonly #maxBytes: number;
  /** The bytes of all files and parts; undefined before they are counted. */
  #usedBytes: Promise<number> | undefined;

  constructor(root: string, maxBytes: number = Infinity) {
    this.#root = root;
    this.#maxBytes = maxBytes;
    mkdirSync(join(root, "parts"), { recursive: true });
  }

  /** Whether a text can be the hash of a file. */
  static isHash(text: string): boolean {
    return /^[0-9a-f]{64}$/.test(text);
  }

  /** The path of a file's content. */
  pathOf(hash: string): string {
    return join(this.#root, hash.slice(0, 2), hash);
  }

  has(hash: string): boolean {
    return existsSync(this.pathOf(hash));
  }

  /** Whether there is a file, which is then kept for a deployment that begins now. */
  keeps(hash: string): boolean {
    if (!this.has(hash)) return false;
    const now = new Date();
    utimesSync(this.pathOf(hash), now, now);
    return true;
  }

  /** The bytes of all files and parts. */
  async usedBytes(): Promise<number> {
    this.#usedBytes ??= this.#all().then((files) => files.reduce((sum, { size }) => sum + size, 0));
    return this.#usedBytes;
  }

  /** Removes files that are older than a time and not in use, and parts of uploads that are older. */
  async collect(inUse: () => Promise<ReadonlySet<string>>, before: Date): Promise<void> {
    const old = (await this.#all()).filter(({ changedAt }) => changedAt < before);
    if (old.length === 0) return;
    const used = await inUse();
    for (const { path, name } of old) if (!used.has(name)) await rm(path, { force: true });
    this.#usedBytes = undefined;
  }

  async #all(): Promise<{ path: string; name: string; size: number; changedAt: Date }[]> {
    const files = [];
    for (const folder of await readdir(this.#root)) {
      for (const name of await readdir(join(this.#root, folder))) {
        const path = join(this.#root, folder, name);
        const about = await stat(path).catch(() => undefined); // removed meanwhile
        if (about !== undefined) files.push({ path, name, size: about.size, changedAt: about.mtime });
      }
    }
    return files;
  }

  async #assertRoom(): Promise<void> {
    const used = this.#maxBytes === Infinity ? 0 : await this.usedBytes();
    if (used < this.#maxBytes) return;
    throw new FileQuotaExceeded(
      `The files of deployments use ${Math.round(used / 1e6)} MB, all that quotas.files_mb of platform.toml allows: ` +
        'raise it, or delete revisions with "servable apps delete-revision". Their files are removed a day later.',
    );
  }

  #grow(bytes: number): void {
    this.#usedBytes = this.#usedBytes?.then((used) => used + bytes);
  }

  /** The permissions of a file. */
  modeOf(hash: string): number {
    return statSync(this.pathOf(hash)).mode & 0o777;
  }

  /** The path of a part of an upload. */
  partPath(upload: string, part: number): string {
    return join(this.#root, "parts", `${upload}.${part}`);
  }

  /** Stores a part of an upload. @returns its MD5, in hexadecimal digits @throws FileQuotaExceeded */
  async writePart(upload: string, part: number, content: Readable): Promise<string> {
    await this.#assertRoom();
    const digest = createHash("md5");
    const path = this.partPath(upload, part);
    content.on("data", (chunk: Buffer) => digest.update(chunk));
    try {
      await pipeline(content, createWriteStream(path, { mode: 0o600 }));
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    this.#grow(statSync(path).size);
    return digest.digest("hex");
  }

  /**
   * Makes a file of the parts of an upload, and removes them.
   * @throws FileMismatch if the content and the mode do not have this hash
   */
  async complete(upload: string, parts: readonly number[], hash: string, mode: number): Promise<void> {
    const temporary = join(this.#root, "parts", `${upload}.${randomUUID()}`);
    const digest = createHash("sha256");
    const paths = parts.map((part) => this.partPath(upload, part));
    try {
      await pipeline(readParts(paths, digest), createWriteStream(temporary, { mode: 0o600 }));
      if (digest.update(String(mode)).digest("hex") !== hash || (mode & ~0o7777) !== REGULAR_FILE) {
        throw new FileMismatch(`The content of ${hash} is not what was announced.`);
      }
      await chmod(temporary, mode & 0o777);
      const path = this.pathOf(hash);
      mkdirSync(join(this.#root, hash.slice(0, 2)), { recursive: true });
      await rename(temporary, path);
    } catch (error) {
      this.#usedBytes = undefined;
      throw error;
    } finally {
      await rm(temporary, { force: true });
      for (const path of paths) await rm(path, { force: true });
    }
  }

  /** Removes the parts of an upload. */
  async cancelUpload(upload: string): Promise<void> {
    const folder = join(this.#root, "parts");
    for (const name of await readdir(folder)) {
      if (name.startsWith(`${upload}.`)) await rm(join(folder, name), { force: true });
    }
    this.#usedBytes = undefined;
  }
}

async function* readParts(paths: readonly string[], digest: Hash): AsyncGenerator<Buffer> {
  for (const path of paths) {
    for await (const chunk of createReadStream(path)) {
      digest.update(chunk as Buffer);
      yield chunk as Buffer;
    }
  }
}
