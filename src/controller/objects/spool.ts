import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream, mkdirSync, rmSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Transform, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { GatewayError } from "../gateway/gateway-error.ts";
import type { ObjectQuota } from "./object-quota.ts";

/** A file that has arrived. */
export interface SpooledFile {
  readonly path: string;
  readonly size: number;
  /** The SHA-256 of the content. */
  readonly digest: Buffer;
}

/** A part of an upload, as its sender names it. */
export interface PartName {
  readonly number: number;
  readonly etag: string;
}

/**
 * Files that arrive, before they are objects: `arriving/<random>` while they are written, and `parts/<upload>/<number>-<etag>`
 * for complete parts of uploads.
 */
export class Spool {
  readonly #arriving: string;
  readonly #parts: string;
  readonly #quota: ObjectQuota;

  /** Removes the files that a killed process has not completed. */
  constructor(root: string, quota: ObjectQuota) {
    this.#quota = quota;
    this.#arriving = join(root, "arriving");
    this.#parts = join(root, "parts");
    rmSync(this.#arriving, { recursive: true, force: true });
    for (const folder of [this.#arriving, this.#parts]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /**
   * Writes a content to disk as fast as the disk takes it. Room is taken from the quota for as long as the file is there.
   * @throws GatewayError if it is too large, or there is no room
   */
  async receive(content: Readable, environment: string): Promise<SpooledFile> {
    const path = join(this.#arriving, randomUUID());
    const hash = createHash("sha256");
    let size = 0;
    const meter = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        try {
          this.#quota.assertSize(size + chunk.length);
          this.#quota.take(environment, chunk.length);
        } catch (error) {
          return done(error as Error);
        }
        size += chunk.length;
        hash.update(chunk);
        done(null, chunk);
      },
    });
    try {
      await pipeline(content, meter, createWriteStream(path, { mode: 0o600, flags: "wx", flush: true }));
    } catch (error) {
      this.#quota.giveBack(environment, size);
      await rm(path, { force: true });
      throw explained(error);
    }
    return { path, size, digest: hash.digest() };
  }

  /** Removes a file, if it was not moved. */
  async remove({ path }: SpooledFile): Promise<void> {
    await rm(path, { force: true });
  }

  /** Keeps a file that has arrived as a part of an upload. @returns its ETag, without quotes */
  async keepPart(upload: string, number: number, file: SpooledFile, environment: string): Promise<string> {
    const etag = file.digest.toString("hex").slice(0, 32);
    const path = this.#partPath(upload, { number, etag });
    await mkdir(join(this.#parts, upload), { recursive: true, mode: 0o700 });
    const before = await stat(path).catch(() => undefined);
    await rename(file.path, path);
    this.#quota.settle(environment, file.size);
    if (before !== undefined) this.#quota.free(environment, before.size);
    return etag;
  }

  /** The parts of an upload that have arrived. A number may have several, if it was sent again with another content. */
  async partsOf(upload: string): Promise<readonly PartName[]> {
    const names = await readdir(join(this.#parts, upload)).catch(() => []);
    return names.map((name) => {
      const [number = "", etag = ""] = name.split("-");
      return { number: Number(number), etag };
    });
  }

  /** The content of parts, one after the other. */
  read(upload: string, parts: readonly PartName[]): AsyncGenerator<Buffer> {
    return readFiles(parts.map((part) => this.#partPath(upload, part)));
  }

  /** Removes the parts of an upload. */
  async removeParts(upload: string, environment: string): Promise<void> {
    const size = await sizeOf(join(this.#parts, upload));
    await rm(join(this.#parts, upload), { recursive: true, force: true });
    this.#quota.free(environment, size);
  }

  /** The bytes of the parts of each upload. */
  async sizes(): Promise<ReadonlyMap<string, number>> {
    const uploads = await readdir(this.#parts);
    return new Map(
      await Promise.all(
        uploads.map(async (upload) => [upload, await sizeOf(join(this.#parts, upload))] as const),
      ),
    );
  }

  #partPath(upload: string, { number, etag }: PartName): string {
    return join(this.#parts, upload, `${number}-${etag}`);
  }
}

async function sizeOf(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function* readFiles(paths: readonly string[]): AsyncGenerator<Buffer> {
  for (const path of paths) {
    for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) yield chunk as Buffer;
  }
}

/** Tells a sender that left from a failure of the platform. */
function explained(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ECONNRESET") {
    return new GatewayError("client_disconnected", "The upload ended before it was complete.");
  }
  return error;
}
