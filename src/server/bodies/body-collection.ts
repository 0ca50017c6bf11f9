import type { IncomingMessage } from "node:http";
import type { Clock } from "../../dispatch/clock.ts";
import type { ArrivingBody, MemoryBudget } from "./memory-budget.ts";

/** Memory for a body of more bytes is reserved as soon as its head is read, for shorter ones while they arrive. */
const LONG_BODY = 64 * 1024;

/** The reason why a body was not accepted. */
export type BodyFault = "BODY_TOO_LARGE" | "BODY_UNREADABLE" | "OVERLOADED";

/** Limits that apply while a body arrives. */
export interface BodyBounds {
  readonly limitBytes: number;
  readonly budget: MemoryBudget;
  readonly clock: Clock;
}

/**
 * Collects a body and passes its bytes to `onEnd`. Most bodies are one chunk, which is passed without a copy (Fastify's
 * own reader would copy it), and never used again here.
 * @param declared the length according to the request's head; NaN if unknown
 * @returns a function that ends the collection as unreadable; undefined if it has ended already
 */
export function collectBody(
  payload: IncomingMessage,
  declared: number,
  bounds: BodyBounds,
  onEnd: (fault: BodyFault | undefined, bytes: Buffer) => void,
): (() => void) | undefined {
  // A body above the limit is refused without waiting for it.
  if (declared > bounds.limitBytes || declared > bounds.budget.maxBytes) {
    onEnd("BODY_TOO_LARGE", EMPTY);
    return undefined;
  }
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
    const fault = whole === EMPTY ? collect().add(chunk) : "BODY_UNREADABLE"; // longer than declared, which is possible only with inject()
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
  if (declared > LONG_BODY && !collect().expect(declared)) {
    onEnd("OVERLOADED", EMPTY);
    return undefined;
  }
  payload.on("data", take);
  payload.on("end", complete);
  payload.on("error", lose);
  return lose;
}

/** A body in several chunks, or of unknown length. */
class Pieces {
  readonly #declared: number;
  readonly #maxBytes: number;
  readonly #bounds: BodyBounds;
  readonly #onGivenUp: () => void;
  #first: Buffer = EMPTY;
  /**
   * The received bytes of a body in several chunks, with spare capacity. Chunks are copied as they arrive: a list of
   * small chunks would take many times the memory, and a second copy at the end.
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

  /** Reserves memory for this number of bytes; false if there is none. */
  expect(bytes: number): boolean {
    this.#arriving = this.#bounds.budget.expect(bytes, this.#onGivenUp);
    return this.#arriving !== undefined;
  }

  /** Adds a chunk, or returns the reason why it is refused. */
  add(chunk: Buffer): BodyFault | undefined {
    const isDeclared = this.#declared >= 0;
    const before = this.#received;
    const received = (this.#received += chunk.length);
    if (received > this.#maxBytes) return "BODY_TOO_LARGE";
    if (received > this.#declared) return "BODY_UNREADABLE"; // possible only with inject()
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

  /** Ends the collection and returns the received bytes. */
  end(): Buffer {
    this.#arriving?.end();
    return this.#whole?.subarray(0, this.#received) ?? this.#first;
  }
}

const EMPTY = Buffer.alloc(0);

/** Lengths of bodies in chunks, for queues that count bytes. */
const undeclaredBytes = new WeakMap<IncomingMessage, number>();

/** The length of a request's body, in bytes. */
export function bodyBytes(request: IncomingMessage): number {
  const declared = Number(request.headers["content-length"]);
  return declared >= 0 ? declared : (undeclaredBytes.get(request) ?? 0);
}
