import { createReadStream } from "node:fs";
import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";

/** A part of a file, or all of it, as the body of a request. */
interface StoredPart {
  readonly bytes?: Uint8Array;
  readonly path?: string;
  /** Position of the first byte. */
  readonly start: number;
  /** Number of bytes. */
  readonly length: number;
  /** Bytes to send before the content, and after it. */
  readonly before?: Uint8Array;
  readonly after?: Uint8Array;
}

/** A request to a store. */
export interface StoreCall {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: StoredPart | string | undefined;
  readonly signal: AbortSignal;
  /** Maximum time without data from the store, in ms. */
  readonly timeoutMs: number;
  /** The Unix socket to connect to. Default: the host and port of the URL. */
  readonly socketPath?: string;
  /** Maximum number of attempts. Default 5. */
  readonly attempts?: number;
  /** Number of bytes of the answer that are kept. Default 1 MiB. */
  readonly maxTextBytes?: number;
}

/** The answer of a store. */
export interface StoreAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** The first `maxTextBytes` bytes. */
  readonly text: string;
}

const MAX_TEXT_BYTES = 1024 * 1024;
/** Statuses after which the same request may succeed. */
const PASSING: ReadonlySet<number> = new Set([408, 409, 429, 500, 502, 503, 504]);
const ATTEMPTS = 5;
const FIRST_WAIT_MS = 100;

/**
 * Sends a request, up to `attempts` times while the store fails in a way that may pass.
 * @throws the last error of the connection, or the reason of the signal
 */
export async function callStore(call: StoreCall): Promise<StoreAnswer> {
  const { attempts = ATTEMPTS } = call;
  for (let attempt = 1; ; attempt++) {
    call.signal.throwIfAborted();
    try {
      const answer = await send(call);
      if (!PASSING.has(answer.status) || attempt === attempts) return answer;
    } catch (error) {
      call.signal.throwIfAborted();
      if (attempt === attempts) throw error;
    }
    const waitMs = FIRST_WAIT_MS * 2 ** (attempt - 1) * (0.5 + Math.random());
    await delay(waitMs, undefined, { signal: call.signal }).catch(() => {}); // thrown at the next attempt
  }
}

async function send(call: StoreCall): Promise<StoreAnswer> {
  const { method, url, headers, body, signal, timeoutMs, socketPath, maxTextBytes = MAX_TEXT_BYTES } = call;
  const target = new URL(url);
  const part = typeof body === "string" ? partOfText(body) : body;
  const request = (target.protocol === "https:" ? requestHttps : requestHttp)(target, {
    method,
    headers: { ...headers, ...(part === undefined ? {} : { "content-length": String(lengthOf(part)) }) },
    signal,
    ...(socketPath === undefined ? {} : { socketPath }),
  });
  request.setTimeout(timeoutMs, () => request.destroy(new Error(`no data for ${timeoutMs / 1_000} s`)));
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.on("response", resolve);
    request.on("error", reject);
  });
  if (part === undefined) request.end();
  // A store may answer before it has read everything.
  else pipeline(streamOf(part), request).catch((error: Error) => request.destroy(error));
  const response = await answered;
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text: await textOf(response, maxTextBytes),
  };
}

async function textOf(response: IncomingMessage, maxBytes: number): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    if (size < maxBytes) pieces.push(piece);
    size += piece.length;
  }
  return Buffer.concat(pieces).toString("utf8", 0, maxBytes);
}

function partOfText(text: string): StoredPart {
  const bytes = Buffer.from(text);
  return { bytes, start: 0, length: bytes.length };
}

function lengthOf({ length, before, after }: StoredPart): number {
  return length + (before?.length ?? 0) + (after?.length ?? 0);
}

function streamOf(part: StoredPart): Readable {
  return Readable.from(piecesOf(part), { objectMode: false });
}

async function* piecesOf({
  bytes,
  path,
  start,
  length,
  before,
  after,
}: StoredPart): AsyncGenerator<Uint8Array> {
  if (before !== undefined) yield before;
  if (bytes !== undefined) yield bytes.subarray(start, start + length);
  else if (length > 0) {
    for await (const piece of createReadStream(path as string, { start, end: start + length - 1 })) {
      yield piece as Buffer;
    }
  }
  if (after !== undefined) yield after;
}
