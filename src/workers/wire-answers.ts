import { bytesKind, type BlobLike, type ResponseLike } from "../routes/bytes-result.ts";
import { FileAnswer } from "../routes/file-answer.ts";
import type { WireAnswer } from "./protocol.ts";

/**
 * Describes a result whose class a message would lose; undefined for any other result. The bytes of a blob or response
 * are read first.
 * @param signal stops the reading
 */
export function wireAnswer(
  value: unknown,
  signal: () => AbortSignal,
): WireAnswer | Promise<WireAnswer> | undefined {
  switch (bytesKind(value)) {
    case "file": {
      const { path, options } = value as FileAnswer;
      return { kind: "file", path, options };
    }
    case "blob":
      return wireBlob(value as BlobLike);
    case "response":
      return wireResponse(value as ResponseLike, signal());
    default:
      return undefined;
  }
}

async function wireBlob(blob: BlobLike): Promise<WireAnswer> {
  return { kind: "blob", bytes: new Uint8Array(await blob.arrayBuffer()), type: blob.type };
}

async function wireResponse(response: ResponseLike, signal: AbortSignal): Promise<WireAnswer> {
  const { status, headers, body, bodyUsed } = response;
  if (bodyUsed) throw new TypeError("The body of the Response was read before it was returned.");
  if (status < 200 || status > 599)
    throw new TypeError(`A Response with the status ${status} can't be sent.`);
  const bytes = body === null ? null : await readAll(body as ReadableStream<Uint8Array>, signal);
  const { url = "" } = response as { url?: string };
  const all = [...(headers as unknown as Iterable<[string, string]>)];
  return { kind: "response", bytes, status, headers: all, url };
}

async function readAll(body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<Uint8Array> {
  const reader = body.getReader();
  const stop = (): void => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    const pieces: Uint8Array[] = [];
    for (;;) {
      const { done, value } = await reader.read();
      if (signal.aborted) throw signal.reason;
      if (done) return Buffer.concat(pieces);
      pieces.push(value);
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** The result that a description stands for. */
export function answerOf(wire: WireAnswer): unknown {
  switch (wire.kind) {
    case "file":
      return new FileAnswer(wire.path, wire.options);
    case "blob":
      return new Blob([wire.bytes as Uint8Array<ArrayBuffer>], { type: wire.type });
    case "response":
      return copyOf(wire);
  }
}

/** A copy of a response. It keeps the address of a fetched one, whose headers of another connection are not passed on. */
function copyOf({ bytes, status, headers, url }: Extract<WireAnswer, { kind: "response" }>): Response {
  const body = bytes as Uint8Array<ArrayBuffer> | null;
  const response = new Response(body, { status, headers: headers.map(([name, value]) => [name, value]) });
  return Object.defineProperty(response, "url", { value: url });
}
