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
  const isDeclared = declared >= 0;
  let first: Buffer = EMPTY;
  /**
   * All that has come, where that is more than one chunk, with room for more. Copied at once: a list of chunks would take
   * many times its bytes where they are small, and a second copy in the end.
   */
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
    onEnd(fault, fault !== undefined ? EMPTY : whole === undefined ? first : whole.subarray(0, received));
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
    let capacity = whole?.length ?? (isDeclared ? declared : before === 0 ? received : 0);
    if (received > capacity) capacity = Math.min(maxBytes, Math.max(LONG_BODY, Math.ceil(1.5 * received)));
    if (!(arriving as ArrivingBody).came(chunk.length, capacity, clock.now())) return finish("OVERLOADED");
    if (before === 0 && !isDeclared) {
      first = chunk;
      return;
    }
    if (whole === undefined || whole.length < capacity) {
      const larger = Buffer.allocUnsafeSlow(capacity);
      (whole ?? first).copy(larger, 0, 0, before);
      whole = larger;
    }
    chunk.copy(whole, before);
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
