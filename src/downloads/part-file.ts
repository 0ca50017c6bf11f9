import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { diskError, type PartRecord, type StoredFile } from "./stored-file.ts";

/** The beginning of a file, which a download continues. */
export class PartFile {
  readonly #place: StoredFile;
  readonly #handle: FileHandle;
  #hash: Hash;
  #size: number;
  #record: PartRecord | undefined;
  #pieces: number;

  private constructor(place: StoredFile, handle: FileHandle, hash: Hash, size: number) {
    this.#place = place;
    this.#handle = handle;
    this.#hash = hash;
    this.#size = size;
    this.#record = size === 0 ? undefined : place.partRecord();
    // How many pieces an earlier process has put together is unknown.
    this.#pieces = size === 0 ? 0 : 2;
  }

  /** Opens the part of an earlier download, or creates it. Reads it once for its hash. */
  static async open(place: StoredFile, signal: AbortSignal | undefined): Promise<PartFile> {
    try {
      const handle = await open(place.partPath, "a+");
      const hash = createHash("sha256");
      let size = 0;
      try {
        const options = signal === undefined ? {} : { signal };
        for await (const chunk of createReadStream(place.partPath, options) as AsyncIterable<Buffer>) {
          hash.update(chunk);
          size += chunk.length;
        }
      } catch (error) {
        await handle.close();
        throw error;
      }
      return new PartFile(place, handle, hash, size);
    } catch (error) {
      signal?.throwIfAborted();
      throw diskError(place.folder, error);
    }
  }

  get size(): number {
    return this.#size;
  }

  /** Properties of the whole file; undefined for an empty part. */
  get record(): PartRecord | undefined {
    return this.#record;
  }

  /** Whether the content was put together from several answers. */
  get isPatched(): boolean {
    return this.#pieces > 1;
  }

  /** Begins a further piece, whose answer has these properties. */
  begin(record: PartRecord): void {
    this.#pieces++;
    this.#record = record;
    this.#place.writePart(record);
  }

  /** Removes the content. */
  async clear(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hash = createHash("sha256");
    this.#size = 0;
    this.#pieces = 0;
    this.#record = undefined;
  }

  async append(chunk: Uint8Array): Promise<void> {
    try {
      for (let written = 0; written < chunk.length;) {
        written += (await this.#handle.write(chunk, written)).bytesWritten;
      }
    } catch (error) {
      throw diskError(this.#place.folder, error);
    }
    this.#hash.update(chunk);
    this.#size += chunk.length;
  }

  /** The SHA-256 of the content, in hexadecimal. */
  sha256(): string {
    return this.#hash.copy().digest("hex");
  }

  /** Writes the content to the disk, so that it survives a power failure. */
  async flush(): Promise<void> {
    await this.#handle.sync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
