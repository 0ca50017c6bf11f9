import type { IncomingMessage } from "node:http";
import { BodyError } from "../errors.ts";

/**
 * Collects a body, and hands over its bytes at the end. Most bodies are one chunk, which is handed over as it is:
 * Fastify's own reader would copy it first. So the bytes are the receiver's only until it returns.
 */
export function collectBody(
  payload: IncomingMessage,
  limitBytes: number,
  onEnd: (error: BodyError | null, bytes: Buffer) => void,
): void {
  const declared = Number(payload.headers["content-length"]);
  if (declared > limitBytes) return onEnd(new BodyError("BODY_TOO_LARGE"), EMPTY);
  let first: Buffer = EMPTY;
  const isDeclared = declared >= 0;
  let all: Buffer[] | undefined;
  let received = 0;

  const finish = (error: BodyError | null): void => {
    payload.removeListener("data", take);
    payload.removeListener("end", complete);
    payload.removeListener("error", lose);
    if (!isDeclared) undeclaredBytes.set(payload, received);
    onEnd(error, error !== null ? EMPTY : all === undefined ? first : Buffer.concat(all, received));
  };
  const take = (chunk: Buffer): void => {
    received += chunk.length;
    if (received > limitBytes) return finish(new BodyError("BODY_TOO_LARGE"));
    if (first === EMPTY) first = chunk;
    else if (all === undefined) all = [first, chunk];
    else all.push(chunk);
  };
  const complete = (): void => finish(null);
  const lose = (): void => finish(new BodyError("BODY_UNREADABLE"));
  payload.on("data", take);
  payload.on("end", complete);
  payload.on("error", lose);
}

const EMPTY = Buffer.alloc(0);

/** The lengths of bodies that came in chunks, which nobody has to know but those who keep them waiting. */
const undeclaredBytes = new WeakMap<IncomingMessage, number>();

/** How many bytes the body of a request has. */
export function bodyBytes(request: IncomingMessage): number {
  const declared = Number(request.headers["content-length"]);
  return declared >= 0 ? declared : (undeclaredBytes.get(request) ?? 0);
}
