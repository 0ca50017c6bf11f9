import { createWriteStream, type WriteStream } from "node:fs";
import type { Readable } from "node:stream";

/** Bytes that may wait for the disk, per file. */
const WAITING_BYTES = 256 * 1024;

/** A file of a body that is being written to the disk. */
export class StoredFile {
  readonly path: string;
  readonly #sink: WriteStream;
  readonly #source: Readable;
  #isClosed = false;
  #onClosed: (() => void) | undefined;

  /** @param onError called if the file can't be written */
  constructor(path: string, source: Readable, onError: (error: NodeJS.ErrnoException) => void) {
    this.path = path;
    this.#source = source;
    this.#sink = createWriteStream(path, { flags: "wx", mode: 0o600, highWaterMark: WAITING_BYTES });
    this.#sink.on("error", onError);
    this.#sink.on("drain", () => source.resume());
    this.#sink.on("close", () => {
      this.#isClosed = true;
      this.#onClosed?.();
    });
  }

  /** Writes a chunk. Pauses the source while the disk is slower. */
  write(chunk: Buffer): void {
    if (!this.#sink.write(chunk)) this.#source.pause();
  }

  /** Completes the file. */
  end(onClosed: () => void): void {
    this.#onClosed = onClosed;
    this.#sink.end();
  }

  /** Abandons the file. Calls back when it can be removed. */
  abandon(onClosed: () => void): void {
    if (this.#isClosed) return onClosed();
    this.#onClosed = onClosed;
    this.#sink.destroy();
  }
}
