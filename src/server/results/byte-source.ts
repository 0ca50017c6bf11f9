import type { FileHandle } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { types } from "node:util";

/** A source of bytes that is read piece by piece. */
export interface ByteSource {
  /** The next piece, not empty; undefined at the end. Not called again before its promise has settled. */
  next(): Promise<Uint8Array | undefined>;
  /** Releases the source, also while a piece is awaited. Further calls do nothing. */
  stop(): void;
}

/** Size of the pieces of a file, in bytes. */
const PIECE_BYTES = 128 * 1024;

/** Reads a part of a file. Closes the file at the end. */
export class FileSource implements ByteSource {
  readonly #file: FileHandle;
  #position: number;
  #left: number;
  #isClosed = false;

  /**
   * @param start the position of the first byte
   * @param length the number of bytes
   */
  constructor(file: FileHandle, start: number, length: number) {
    this.#file = file;
    this.#position = start;
    this.#left = length;
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#left === 0) {
      this.stop();
      return undefined;
    }
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, this.#left));
    const { bytesRead } = await this.#file.read(piece, 0, piece.length, this.#position);
    if (bytesRead === 0) throw new Error(`The file became ${this.#left} bytes shorter while it was sent.`);
    this.#position += bytesRead;
    this.#left -= bytesRead;
    return bytesRead === piece.length ? piece : piece.subarray(0, bytesRead);
  }

  stop(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#file.close().catch(() => {}); // it was only read, so nothing can be lost
  }
}

/**
 * Keeps a stream that fails between the end of its method and its first read from ending the process: such an error has
 * no listener yet. Values of other kinds are ignored.
 */
export function holdErrors(result: unknown): void {
  if (typeof result !== "object" || result === null || !("pipe" in result) || !("on" in result)) return;
  if (typeof result.on === "function") (result as Readable).on("error", () => {});
}

/** Reads a stream of Node. */
export class NodeSource implements ByteSource {
  readonly #stream: Readable;
  #pieces: AsyncIterator<unknown> | undefined;

  /** @throws TypeError for a stream that has ended or was destroyed */
  constructor(stream: Readable) {
    if (stream.readableEnded || (stream.destroyed && stream.errored === null)) {
      throw new TypeError("the stream was read or destroyed before it was returned");
    }
    this.#stream = stream;
    holdErrors(stream); // they are reported by the iterator, which listens only once it is read
  }

  async next(): Promise<Uint8Array | undefined> {
    this.#pieces ??= this.#stream[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await this.#pieces.next();
      if (done === true) return undefined;
      const piece = bytesOf(value);
      if (piece.length > 0) return piece;
    }
  }

  stop(): void {
    this.#stream.destroy();
  }
}

/** Reads a stream of the web. */
export class WebSource implements ByteSource {
  readonly #reader: { read(): Promise<{ done: boolean; value?: unknown }>; cancel(): Promise<void> };

  /** @throws TypeError for a stream that other code reads */
  constructor(stream: ReadableStream) {
    if (stream.locked) throw new TypeError("the stream was read before it was returned");
    this.#reader = stream.getReader();
  }

  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      const piece = bytesOf(value);
      if (piece.length > 0) return piece;
    }
  }

  stop(): void {
    this.#reader.cancel().catch(() => {}); // a failed source fails again when it is cancelled
  }
}

/** A view of bytes as Node sends it. A shared buffer is copied. */
export function bufferOf(value: ArrayBufferView | ArrayBuffer | SharedArrayBuffer): Buffer {
  if (types.isSharedArrayBuffer(value)) return Buffer.from(new Uint8Array(value));
  if (!ArrayBuffer.isView(value)) return Buffer.from(value);
  if (Buffer.isBuffer(value)) return value;
  const { buffer, byteOffset, byteLength } = value;
  if (types.isSharedArrayBuffer(buffer)) return Buffer.from(new Uint8Array(buffer, byteOffset, byteLength));
  return Buffer.from(buffer, byteOffset, byteLength);
}

function bytesOf(piece: unknown): Uint8Array {
  if (typeof piece === "string") return Buffer.from(piece);
  if (ArrayBuffer.isView(piece) || types.isAnyArrayBuffer(piece)) return bufferOf(piece);
  throw new TypeError(
    `a stream of bytes gave ${piece === null ? "null" : `a value of type ${typeof piece}`}`,
  );
}
