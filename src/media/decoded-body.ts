import { pipeline, Transform, type Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { FetchError } from "../file-errors.ts";
import { fetchFailure, noAnswer, shownUrl, type Exchange } from "./exchange.ts";

/** Maximum number of encodings of one answer. */
const MAX_ENCODINGS = 2;

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/** The encodings of an answer's body, in the order in which they were applied. */
export function encodingsOf(headers: Readonly<Record<string, string>>): readonly string[] {
  return (headers["content-encoding"] ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "" && name !== "identity");
}

/** The body of an answer without its encodings. Data above the limit is neither kept nor decompressed. */
export function decodedBody(exchange: Exchange, url: URL, maxBytes: number): Readable {
  const encodings = encodingsOf(exchange.headers).toReversed();
  const unknown = encodings.find((name) => !Object.hasOwn(DECODERS, name));
  if (unknown !== undefined || encodings.length > MAX_ENCODINGS) {
    exchange.close();
    const what = unknown === undefined ? `${encodings.length} encodings` : `the encoding "${unknown}"`;
    throw new FetchError("network", `${shownUrl(url)} has ${what}, which can't be decoded.`);
  }
  if (encodings.length === 0) return exchange.body;
  // A compressed file may be slightly larger than its content.
  const wireLimit = new SizeLimit(url, maxBytes + maxBytes / 500 + 4096);
  const steps = encodings.flatMap((name) => [DECODERS[name]?.() as Transform, new SizeLimit(url, maxBytes)]);
  const last = steps.at(-1) as Transform;
  pipeline([exchange.body, wireLimit, ...steps], () => {});
  last.on("error", () => {}); // reported to its reader
  return last;
}

/** Passes data on up to a limit. */
class SizeLimit extends Transform {
  readonly #url: URL;
  readonly #limit: number;
  #size = 0;

  constructor(url: URL, limit: number) {
    super();
    this.#url = url;
    this.#limit = limit;
  }

  override _transform(
    chunk: Buffer,
    _encoding: string,
    done: (error?: Error | null, data?: Buffer) => void,
  ): void {
    this.#size += chunk.length;
    if (this.#size > this.#limit) done(tooLarge(this.#url, Math.floor(this.#limit)));
    else done(null, chunk);
  }
}

/** The error for a file that is larger than the limit. */
export function tooLarge(url: URL, maxBytes: number): FetchError {
  return new FetchError("too_large", `${shownUrl(url)} is larger than ${maxBytes} bytes.`);
}

/**
 * Reads a body up to a limit, and calls `onEnd` after its last chunk, after a failure, and if the reader stops early.
 * Throws a {@link FetchError}, or the signal's reason.
 */
export async function* boundedChunks(
  body: Readable,
  options: {
    readonly url: URL;
    readonly maxBytes: number;
    /** Maximum time without any data, in ms. The time of the reader does not count. */
    readonly stallTimeoutMs: number;
    readonly signal: AbortSignal;
    readonly onEnd: () => void;
  },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { url, maxBytes, stallTimeoutMs, signal, onEnd } = options;
  let size = 0;
  let isWaiting = true;
  const stall = setInterval(() => {
    if (isWaiting) body.destroy(noAnswer(url));
  }, stallTimeoutMs).unref();
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge(url, maxBytes);
      isWaiting = false;
      yield chunk;
      signal.throwIfAborted();
      isWaiting = true;
      stall.refresh();
    }
  } catch (error) {
    signal.throwIfAborted();
    throw fetchFailure(error, url, true);
  } finally {
    clearInterval(stall);
    onEnd();
  }
}
