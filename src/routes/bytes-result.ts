import type { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import type { FileAnswer } from "./file-answer.ts";

/** A `Blob` or `File`, of Node or of the browser's types. */
export interface BlobLike {
  readonly size: number;
  readonly type: string;
  arrayBuffer(): Promise<ArrayBuffer>;
  slice(start?: number, end?: number): BlobLike;
}

/** The `Response` of `fetch()`. */
export interface ResponseLike {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: unknown;
  readonly bodyUsed: boolean;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** A stream of bytes: `Uint8Array`s, or texts, which are sent as UTF-8. */
export type BytesStream = Readable | ReadableStream;

/** The results that are sent as bytes, by endpoints with `output: bytes()` and those without an `output` schema. */
export type BytesResult = Uint8Array | ArrayBuffer | BlobLike | BytesStream | ResponseLike | FileAnswer;
