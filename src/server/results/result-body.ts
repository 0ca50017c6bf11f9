import type { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { ownerOf } from "../../answer-header.ts";
import type { BlobLike, BytesKind, ResponseLike } from "../../routes/bytes-result.ts";
import { bufferOf, NodeSource, WebSource, type ByteSource } from "./byte-source.ts";

/** The body of an answer that is not JSON, with the parts of the head that come from the result itself. */
export interface ResultBody {
  /** Undefined: the answer has no body. */
  readonly content: Buffer | ByteSource | undefined;
  /** Number of bytes, where it is known. */
  readonly length: number | undefined;
  /** The type that the result states; a type that the handler sets does not replace it. */
  readonly statedType?: string | undefined;
  /** The type that applies unless the handler sets another one. */
  readonly likelyType?: string | undefined;
  /** Default: the status of the request's context. */
  readonly status?: number;
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

/**
 * The body of a result, of any kind but a file.
 * @throws TypeError for a stream or body that was already read, and for a header that a response can't set
 */
export function bodyOf(value: object, kind: Exclude<BytesKind, "file">): ResultBody {
  switch (kind) {
    case "bytes": {
      const content = bufferOf(value as Uint8Array | ArrayBuffer);
      return { content, length: content.length };
    }
    case "blob": {
      const { size, type } = value as BlobLike;
      const stream = (value as { stream(): ReadableStream }).stream();
      return {
        content: size === 0 ? Buffer.alloc(0) : new WebSource(stream),
        length: size,
        likelyType: type === "" ? undefined : type,
      };
    }
    case "node stream":
      return { content: new NodeSource(value as Readable), length: undefined };
    case "web stream":
      return { content: new WebSource(value as ReadableStream), length: undefined };
    case "response":
      return bodyOfResponse(value as ResponseLike);
  }
}

/** Encodings that fetch() has removed from a body, though the headers still name them. */
const DECODED = /^(?:gzip|x-gzip|deflate|br|zstd)$/i;

function bodyOfResponse(response: ResponseLike): ResultBody {
  const { status, headers, body, bodyUsed } = response;
  if (status < 200 || status > 599) throw new TypeError(`a Response with the status ${status} can't be sent`);
  if (bodyUsed) throw new TypeError("the body of the Response was read before it was returned");
  // fetch() sets the address; its headers are those of another connection, and its body is already decoded.
  const isFetched = ((response as { url?: unknown }).url ?? "") !== "";
  const encodings = headers.get("content-encoding");
  const isDecoded =
    isFetched && encodings !== null && encodings.split(",").every((one) => DECODED.test(one.trim()));
  const length = Number(headers.get("content-length") ?? NaN);
  const kept: [string, string][] = [];
  for (const [name, value] of headers as unknown as Iterable<[string, string]>) {
    // as Headers of any copy are
    if (name === "content-length" || name === "content-type") continue;
    if (isDecoded && name === "content-encoding") continue;
    const owner = ownerOf(name);
    if (owner === undefined) kept.push([name, value]);
    else if (!isFetched) throw new TypeError(`the header ${name} of the Response is refused: ${owner}`);
  }
  return {
    content: body === null ? undefined : new WebSource(body as ReadableStream),
    length: Number.isSafeInteger(length) && length >= 0 && body !== null && !isDecoded ? length : undefined,
    statedType: headers.get("content-type") ?? undefined,
    status,
    headers: kept,
  };
}
