import type { IncomingMessage } from "node:http";
import type { Clock } from "../dispatch/clock.ts";
import type { ArrivingBody, MemoryBudget } from "./memory-budget.ts";

/** Room for a longer body is kept from its head on; for others as they come. In bytes. */
const LONG_BODY = 64 * 1024;

/** Why a body was not taken. */
export type BodyFault = "BODY_TOO_LARGE" | "BODY_UNREADABLE" | "OVERLOADED";

/** What a body is held to while it arrives. */
export interface BodyBounds {
  readonly limitBytes: number;
  readonly budget: MemoryBudget;
  readonly clock: Clock;
}

/**
 * Collects a body, and hands over its bytes at the end. Most bodies are one chunk, which is handed over as it is:
 * Fastify's own reader would copy it first. So the bytes are the receiver's only until it returns.
 * @param declared what its head says of its length; NaN for nothing
 */
export function collectBody(
  payload: IncomingMessage,
  declared: number,
  { limitBytes, budget, clock }: BodyBounds,
  onEnd: (fault: BodyFault | undefined, bytes: Buffer) => void,
): void {
  // What could never fit is no matter of waiting.
  const maxBytes = Math.min(limitBytes, budget.maxBytes);
  if (declared > maxBytes) return onEnd("BODY_TOO_LARGE", EMPTY);
  let first: Buffer = EMPTY;
  const isDeclared = declared >= 0;
  let rest: Buffer[] | undefined;
  /** All of a body whose length is known, but for what has not come yet: no second copy of all is made at the end. */
  let whole: Buffer | undefined;
  let received = 0;
  let arriving: ArrivingBody | undefined;

  const finish = (fault?: BodyFault): void => {
    payload.removeListener("data", take);
    payload.removeListener("end", complete);
    payload.removeListener("error", lose);
    payload.removeListener("close", lose);
    arriving?.end();
    if (!isDeclared) undeclaredBytes.set(payload, received);
    onEnd(fault, fault !== undefined ? EMPTY : (whole ?? (rest === undefined ? first : Buffer.concat(rest))));
  };
  const giveUp = (): void => finish("OVERLOADED");
  const expect = (bytes: number): boolean => {
    arriving = budget.expect(bytes, giveUp);
    if (arriving === undefined) return false;
    payload.on("close", lose);
    return true;
  };
  const take = (chunk: Buffer): void => {
    const before = received;
    received += chunk.length;
    if (received > maxBytes) return finish("BODY_TOO_LARGE");
    if (received > declared) return finish("BODY_UNREADABLE"); // only what is injected can be so
    if (received === declared && before === 0) {
      first = chunk;
      return;
    }
    if (arriving === undefined && !expect(isDeclared ? declared : received)) return finish("OVERLOADED");
    if (!(arriving as ArrivingBody).came(chunk.length, clock.now())) return finish("OVERLOADED");
    if (isDeclared) {
      whole ??= Buffer.allocUnsafeSlow(declared);
      chunk.copy(whole, before);
    } else if (before === 0) first = chunk;
    else if (rest === undefined) rest = [first, chunk];
    else rest.push(chunk);
  };
  const complete = (): void => finish();
  const lose = (): void => finish("BODY_UNREADABLE");
  if (declared > LONG_BODY && !expect(declared)) return onEnd("OVERLOADED", EMPTY);
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
