import type { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { types } from "node:util";
import { type FileAnswer, isFileAnswer } from "./file-answer.ts";

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

/** A result that is sent as bytes, by the way to send it. */
export type BytesKind = "bytes" | "blob" | "node stream" | "web stream" | "response" | "file";

/** The kind of a result that is sent as bytes; undefined for any other value. */
export function bytesKind(value: unknown): BytesKind | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return undefined;
  if (types.isUint8Array(value) || types.isAnyArrayBuffer(value)) return "bytes";
  if (isFileAnswer(value)) return "file";
  switch (Object.prototype.toString.call(value)) {
    case "[object Blob]":
    case "[object File]":
      return hasMethod(value, "arrayBuffer") && hasMethod(value, "stream") ? "blob" : undefined;
    case "[object Response]":
      return hasMethod(value, "arrayBuffer") && "headers" in value ? "response" : undefined;
    default:
      if (hasMethod(value, "pipe") && Symbol.asyncIterator in value) return "node stream";
      return hasMethod(value, "getReader") ? "web stream" : undefined;
  }
}

function hasMethod(value: object, name: string): boolean {
  return typeof (value as Record<string, unknown>)[name] === "function";
}
