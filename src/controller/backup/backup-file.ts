import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { platformFailure } from "../failure.ts";

/** The first line of a backup. */
export interface BackupHeader {
  readonly format: typeof FORMAT;
  /** The version of this format. */
  readonly formatVersion: number;
  /** The version of the tables. */
  readonly tablesVersion: number;
  /** ISO time of the snapshot. */
  readonly createdAt: string;
  /** Whether it has the key of the secrets. */
  readonly hasKeys: boolean;
}

/** One part of a backup: rows of a table as JSON lines, a file of a deployment, or a file of the platform's folder. */
export type BackupPart =
  | { readonly kind: "rows"; readonly table: string; readonly bytes: number }
  | { readonly kind: "file"; readonly hash: string; readonly mode: number; readonly bytes: number }
  | { readonly kind: "state"; readonly name: string; readonly bytes: number };

const FORMAT = "servable platform backup";
const FORMAT_VERSION = 1;
/** The longest line between the parts, in bytes. */
const MAX_LINE = 64 * 1024;

/** A part with its content. */
export interface PartWithContent {
  readonly part: BackupPart;
  readonly content: AsyncIterable<Buffer> | Iterable<Buffer>;
}

/**
 * Writes a backup: gzip of lines of JSON, each followed by the bytes that it announces. The last line has the hash of
 * everything before it.
 */
export async function writeBackup(
  path: string,
  about: Omit<BackupHeader, "format" | "formatVersion">,
  parts: AsyncIterable<PartWithContent>,
): Promise<void> {
  const header: BackupHeader = { format: FORMAT, formatVersion: FORMAT_VERSION, ...about };
  await pipeline(
    Readable.from(bytesOf(header, parts), { objectMode: false }),
    createGzip(),
    createWriteStream(path, { mode: 0o600, flags: "wx", flush: true }),
  );
}

async function* bytesOf(header: BackupHeader, parts: AsyncIterable<PartWithContent>): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  const line = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value)}\n`);
  const hashed = (chunk: Buffer): Buffer => {
    hash.update(chunk);
    return chunk;
  };
  yield hashed(line(header));
  for await (const { part, content } of parts) {
    yield hashed(line(part));
    let left = part.bytes;
    for await (const chunk of content) {
      left -= chunk.length;
      yield hashed(chunk);
    }
    if (left !== 0)
      throw platformFailure(`A part of the backup has changed while it was read: ${JSON.stringify(part)}.`);
  }
  yield line({ kind: "end", sha256: hash.digest("hex") });
}

/** Reads a backup. Parts whose content is not read are skipped. */
export class BackupReader implements AsyncDisposable {
  readonly header: BackupHeader;
  readonly #path: string;
  readonly #bytes: ByteReader;

  private constructor(path: string, header: BackupHeader, bytes: ByteReader) {
    this.#path = path;
    this.header = header;
    this.#bytes = bytes;
  }

  /** @throws StartupError if the file can't be read, or is not a backup that this version can read */
  static async open(path: string): Promise<BackupReader> {
    const bytes = new ByteReader(path);
    try {
      const header = parsed(await bytes.line()) as Partial<BackupHeader> | undefined;
      if (header?.format !== FORMAT || typeof header.tablesVersion !== "number") throw new Foreign();
      if (header.formatVersion !== FORMAT_VERSION) {
        throw platformFailure(
          `${path} has version ${String(header.formatVersion)} of the format of backups; this version of servable reads ${FORMAT_VERSION}. Install a newer one.`,
        );
      }
      return new BackupReader(path, header as BackupHeader, bytes);
    } catch (error) {
      await bytes.close();
      throw explained(path, error, "foreign");
    }
  }

  /** The parts in order. @throws StartupError if the file is damaged or cut short */
  async *parts(): AsyncGenerator<{ readonly part: BackupPart; readonly content: AsyncGenerator<Buffer> }> {
    try {
      for (;;) {
        const before = this.#bytes.digest();
        const line = parsed(await this.#bytes.line()) as
          | (BackupPart & { readonly sha256?: never })
          | { readonly kind: "end"; readonly sha256: string }
          | undefined;
        if (line === undefined) throw new Damaged();
        if (line.kind === "end") {
          if (line.sha256 !== before || !(await this.#bytes.isAtEnd())) throw new Damaged();
          return;
        }
        if (!Number.isSafeInteger(line.bytes) || line.bytes < 0) throw new Damaged();
        const content = this.#bytes.take(line.bytes);
        yield { part: line, content };
        for await (const _ of content) {
          // The rest of a part that was not read.
        }
      }
    } catch (error) {
      throw explained(this.#path, error, "damaged");
    }
  }

  /** Reads everything. @throws StartupError if the file is damaged or cut short */
  async verify(): Promise<void> {
    for await (const _ of this.parts()) {
      // Reading is what checks it.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bytes.close();
  }
}

class Foreign extends Error {}
class Damaged extends Error {}

function explained(path: string, error: unknown, state: "foreign" | "damaged"): unknown {
  const { code = "" } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "EACCES" || code === "EISDIR") {
    return platformFailure(`${path} can't be read (${code}).`, error);
  }
  if (!(error instanceof Foreign || error instanceof Damaged) && !code.startsWith("Z_")) return error;
  return state === "foreign"
    ? platformFailure(
        `${path} is not a backup of a platform, as "servable platform backup" writes them.`,
        error,
      )
    : platformFailure(`${path} is damaged or cut short: nothing can be restored from it.`, error);
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Reads lines and counted bytes of a compressed file, and hashes what it has read. */
class ByteReader {
  readonly #source: AsyncIterator<Buffer>;
  readonly #hash = createHash("sha256");
  readonly #file: ReturnType<typeof createReadStream>;
  #held: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#file = createReadStream(path);
    const unzipped = createGunzip();
    // An error of the file has to end the reading, too.
    this.#file.on("error", (error) => unzipped.destroy(error));
    this.#source = this.#file.pipe(unzipped)[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#held.indexOf("\n");
      if (end >= 0) return this.#consume(end + 1).toString("utf8");
      if (this.#held.length > MAX_LINE || !(await this.#more())) throw new Damaged();
    }
  }

  async *take(bytes: number): AsyncGenerator<Buffer> {
    for (let left = bytes; left > 0;) {
      if (this.#held.length === 0 && !(await this.#more())) throw new Damaged();
      const chunk = this.#consume(Math.min(left, this.#held.length));
      left -= chunk.length;
      yield chunk;
    }
  }

  async isAtEnd(): Promise<boolean> {
    return this.#held.length === 0 && !(await this.#more());
  }

  /** The hash of all bytes that were read so far. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  async close(): Promise<void> {
    await this.#source.return?.();
    this.#file.destroy();
  }

  #consume(length: number): Buffer {
    const chunk = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    this.#hash.update(chunk);
    return chunk;
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#source.next();
    if (done === true) return false;
    this.#held = this.#held.length === 0 ? value : Buffer.concat([this.#held, value]);
    return true;
  }
}
