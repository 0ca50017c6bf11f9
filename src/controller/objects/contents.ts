import type { Readable } from "node:stream";
import type { ByteRange } from "../../file-headers/byte-range.ts";

/** A file that is complete. */
export interface ContentFile {
  readonly path: string;
  readonly size: number;
}

/** Where the contents of objects are: a folder, or a bucket. A content never changes. */
export interface Contents {
  /** Stores a content. All of it is there once this resolves. The file is moved, or read and left. */
  put(name: string, file: ContentFile, signal: AbortSignal): Promise<void>;
  /** Opens a content, or a part of it; undefined if it is missing. Destroy the stream, or read it to its end. */
  open(name: string, range: ByteRange, signal: AbortSignal): Promise<Readable | undefined>;
  /** Removes a content, if it is there. */
  remove(name: string): Promise<void>;
}
