import { createReadStream } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { HEAD_BYTES, inspect, type Inspection } from "./content-inspection.ts";

/** Bytes up to which a file is held in memory; a larger one is written to a temporary file. */
const MEMORY_BYTES = 1024 * 1024;

/** The bytes of a file that are here: in memory or in a file. */
export interface Content {
  /** Number of bytes. */
  readonly size: number;
  readonly bytes?: Uint8Array;
  /** Set if `bytes` is not. */
  readonly path?: string;
}

/** Creates paths of temporary files. */
export interface TemporaryFiles {
  /**
   * A path of a file that does not exist yet, and is removed with the others.
   * @param extension the end of its name. Default: none
   */
  newFile(extension?: string): string;
}

/** A file grows beyond its limit. */
export class TooLargeError extends Error {
  readonly maxBytes: number;

  constructor(maxBytes: number) {
    super(`the file has more than ${maxBytes} bytes`);
    this.maxBytes = maxBytes;
  }
}

/** The content of bytes in memory, which are not copied. */
export function contentOfBytes(bytes: Uint8Array): Content {
  return { size: bytes.byteLength, bytes };
}

/** The content of a file, which is read when it is needed. @throws the file system's error */
export async function contentOfPath(path: string): Promise<Content> {
  const state = await stat(path);
  if (!state.isFile()) throw new Error(`${path} is not a regular file.`);
  return { size: state.size, path };
}

/**
 * Collects the bytes of a source: in memory up to {@link MEMORY_BYTES}, otherwise in a temporary file. The source is
 * closed if it grows too large.
 * @throws TooLargeError
 */
export async function collect(
  source: AsyncIterable<unknown>,
  maxBytes: number,
  temporary: TemporaryFiles,
): Promise<Content> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  let path: string | undefined;
  let file: Awaited<ReturnType<typeof open>> | undefined;
  try {
    for await (const item of source) {
      const piece = bytesOf(item);
      size += piece.byteLength;
      if (size > maxBytes) throw new TooLargeError(maxBytes);
      if (file === undefined && size <= MEMORY_BYTES) {
        pieces.push(piece);
        continue;
      }
      if (file === undefined) {
        path = temporary.newFile();
        file = await open(path, "wx", 0o600);
        for (const early of pieces.splice(0)) await file.writeFile(early);
      }
      await file.writeFile(piece);
    }
  } finally {
    await file?.close();
  }
  return path === undefined ? contentOfBytes(joined(pieces, size)) : { size, path };
}

/** All bytes of a content. The bytes in memory themselves, not a copy. */
export async function bytesOfContent(content: Content): Promise<Uint8Array> {
  return content.bytes ?? readFile(content.path as string);
}

/** Reads a content from its beginning. */
export function streamOfContent({ bytes, path }: Content): Readable {
  return bytes === undefined
    ? createReadStream(path as string)
    : Readable.from([bytes], { objectMode: false });
}

/** Looks into a content. @param stated see {@link inspect} */
export async function inspectContent(content: Content, stated: string | undefined): Promise<Inspection> {
  const { bytes, path, size } = content;
  if (bytes !== undefined) return inspect(bytes, stated, true);
  const file = await open(path as string);
  try {
    const head = Buffer.allocUnsafe(Math.min(size, HEAD_BYTES));
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    return await inspect(head.subarray(0, bytesRead), stated, bytesRead === size);
  } finally {
    await file.close();
  }
}

function joined(pieces: readonly Uint8Array[], size: number): Uint8Array {
  const [only] = pieces;
  return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces, size);
}

function bytesOf(item: unknown): Uint8Array {
  if (typeof item === "string") return Buffer.from(item);
  if (item instanceof Uint8Array) return item;
  if (item instanceof ArrayBuffer) return new Uint8Array(item);
  if (ArrayBuffer.isView(item)) return new Uint8Array(item.buffer, item.byteOffset, item.byteLength);
  throw new TypeError(`a stream of bytes gave a value of type ${typeof item}`);
}
