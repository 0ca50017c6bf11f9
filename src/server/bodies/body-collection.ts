import type { IncomingMessage } from "node:http";
import type { Clock } from "../../dispatch/clock.ts";
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
  bounds: BodyBounds,
  onEnd: (fault: BodyFault | undefined, bytes: Buffer) => void,
): void {
  // What could never fit is no matter of waiting.
  if (declared > bounds.limitBytes || declared > bounds.budget.maxBytes)
    return onEnd("BODY_TOO_LARGE", EMPTY);
  let whole: Buffer = EMPTY;
  let pieces: Pieces | undefined;

  const finish = (fault?: BodyFault): void => {
    payload.removeListener("data", take);
    payload.removeListener("end", complete);
    payload.removeListener("error", lose);
    if (pieces !== undefined) {
      payload.removeListener("close", lose);
      whole = pieces.end();
    }
    if (!(declared >= 0)) undeclaredBytes.set(payload, whole.length);
    onEnd(fault, fault === undefined ? whole : EMPTY);
  };
  const take = (chunk: Buffer): void => {
    if (pieces === undefined && whole === EMPTY && chunk.length === declared) {
      whole = chunk;
      return;
    }
    const fault = whole === EMPTY ? collect().add(chunk) : "BODY_UNREADABLE"; // longer than declared: injected
    if (fault !== undefined) finish(fault);
  };
  const complete = (): void => finish();
  const lose = (): void => finish("BODY_UNREADABLE");
  const collect = (): Pieces => {
    if (pieces === undefined) {
      pieces = new Pieces(declared, bounds, () => finish("OVERLOADED"));
      payload.on("close", lose);
    }
    return pieces;
  };
  if (declared > LONG_BODY && !collect().expect(declared)) return onEnd("OVERLOADED", EMPTY);
  payload.on("data", take);
  payload.on("end", complete);
  payload.on("error", lose);
}

/** A body that comes in more than one chunk, or whose length nobody knows. */
class Pieces {
  readonly #declared: number;
  readonly #maxBytes: number;
  readonly #bounds: BodyBounds;
  readonly #onGivenUp: () => void;
  #first: Buffer = EMPTY;
  /**
   * All that has come, where that is more than one chunk, with room for more. Copied at once: a list of chunks would
   * take many times its bytes where they are small, and a second copy in the end.
   */
  #whole: Buffer | undefined;
  #received = 0;
  #arriving: ArrivingBody | undefined;

  constructor(declared: number, bounds: BodyBounds, onGivenUp: () => void) {
    this.#declared = declared;
    this.#maxBytes = Math.min(bounds.limitBytes, bounds.budget.maxBytes);
    this.#bounds = bounds;
    this.#onGivenUp = onGivenUp;
  }

  /** Keeps room for so many bytes; false when there is none. */
  expect(bytes: number): boolean {
    this.#arriving = this.#bounds.budget.expect(bytes, this.#onGivenUp);
    return this.#arriving !== undefined;
  }

  /** Takes a chunk, or says why not. */
  add(chunk: Buffer): BodyFault | undefined {
    const isDeclared = this.#declared >= 0;
    const before = this.#received;
    const received = (this.#received += chunk.length);
    if (received > this.#maxBytes) return "BODY_TOO_LARGE";
    if (received > this.#declared) return "BODY_UNREADABLE"; // only what is injected can be so
    if (this.#arriving === undefined && !this.expect(isDeclared ? this.#declared : received)) {
      return "OVERLOADED";
    }
    let capacity = this.#whole?.length ?? (isDeclared ? this.#declared : before === 0 ? received : 0);
    if (received > capacity) {
      capacity = Math.min(this.#maxBytes, Math.max(LONG_BODY, Math.ceil(1.5 * received)));
    }
    const arriving = this.#arriving as ArrivingBody;
    if (!arriving.came(chunk.length, capacity, this.#bounds.clock.now())) return "OVERLOADED";
    if (before === 0 && !isDeclared) {
      this.#first = chunk;
      return undefined;
    }
    if (this.#whole === undefined || this.#whole.length < capacity) {
      const larger = Buffer.allocUnsafeSlow(capacity);
      (this.#whole ?? this.#first).copy(larger, 0, 0, before);
      this.#whole = larger;
    }
    chunk.copy(this.#whole, before);
    return undefined;
  }

  /** Nothing more comes: what has come. */
  end(): Buffer {
    this.#arriving?.end();
    return this.#whole?.subarray(0, this.#received) ?? this.#first;
  }
}

const EMPTY = Buffer.alloc(0);

/** The lengths of bodies that came in chunks, which nobody has to know but those who keep them waiting. */
const undeclaredBytes = new WeakMap<IncomingMessage, number>();

/** How many bytes the body of a request has. */
export function bodyBytes(request: IncomingMessage): number {
  const declared = Number(request.headers["content-length"]);
  return declared >= 0 ? declared : (undeclaredBytes.get(request) ?? 0);
}
