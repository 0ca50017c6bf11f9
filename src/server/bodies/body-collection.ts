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
 * @returns the collection, which can be given up; undefined if it has ended already
 */
export function collectBody(
  payload: IncomingMessage,
  declared: number,
  bounds: BodyBounds,
  onEnd: OnBody,
): BodyCollection | undefined {
  // A body above the limit is refused without waiting for it.
  if (declared > bounds.limitBytes || declared > bounds.budget.maxBytes) {
    onEnd("BODY_TOO_LARGE", EMPTY);
    return undefined;
  }
  const collection = new BodyCollection(payload, declared, bounds, onEnd);
  if (declared > LONG_BODY && !collection.expect()) {
    onEnd("OVERLOADED", EMPTY);
    return undefined;
  }
  if (declared > LONG_BODY) collection.listen();
  else process.nextTick(begin, collection);
  return collection;
}

/** Gets the bytes of a body, or the reason why it was not accepted. */
type OnBody = (fault: BodyFault | undefined, bytes: Buffer) => void;

/** The listeners are the same for all bodies, and find the collection on the request: cheaper than three functions each. */
const COLLECTION = Symbol("collection");
type Collected = IncomingMessage & { [COLLECTION]?: BodyCollection };

/** Runs once Node has read the bytes that came with the head. */
function begin(collection: BodyCollection): void {
  collection.begin();
}

function take(this: Collected, chunk: Buffer): void {
  this[COLLECTION]?.take(chunk);
}

function complete(this: Collected): void {
  this[COLLECTION]?.end();
}

function lose(this: Collected): void {
  this[COLLECTION]?.giveUp();
}

/** A body while it arrives. */
class BodyCollection {
  readonly #payload: IncomingMessage;
  readonly #declared: number;
  readonly #bounds: BodyBounds;
  readonly #onEnd: OnBody;
  #whole: Buffer = EMPTY;
  #pieces: Pieces | undefined;
  #isListening = false;
  #isOver = false;

  constructor(payload: IncomingMessage, declared: number, bounds: BodyBounds, onEnd: OnBody) {
    this.#payload = payload;
    this.#declared = declared;
    this.#bounds = bounds;
    this.#onEnd = onEnd;
  }

  /**
   * Takes what has come with the head, which for most bodies is all: cheaper than events. Then waits for the rest.
   */
  begin(): void {
    if (this.#isOver) return;
    if (this.#payload.destroyed) return this.giveUp();
    const chunk = this.#payload.read() as Buffer | null;
    if (chunk !== null) this.take(chunk);
    if (!this.#isOver) this.listen();
  }

  /** Waits for the bytes that are still to come. */
  listen(): void {
    this.#isListening = true;
    (this.#payload as Collected)[COLLECTION] = this;
    this.#payload.on("data", take).on("error", lose);
    // A body of known length is complete with its last byte.
    if (!(this.#declared > 0)) this.#payload.on("end", complete);
  }

  /** Reserves memory for the declared length; false if there is none. */
  expect(): boolean {
    return this.#collect().expect(this.#declared);
  }

  /** Adds a chunk. */
  take(chunk: Buffer): void {
    if (this.#isOver) return;
    if (this.#pieces === undefined && chunk.length === this.#declared) {
      this.#whole = chunk;
      return this.end();
    }
    const pieces = this.#collect();
    const fault = pieces.add(chunk);
    if (fault !== undefined || pieces.isWhole) this.end(fault);
  }

  /** Ends the collection as unreadable, unless it has ended. */
  giveUp(): void {
    this.end("BODY_UNREADABLE");
  }

  /** Passes on what has arrived, or the reason why it is not accepted. */
  end(fault?: BodyFault): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const payload = this.#payload;
    let bytes = this.#whole;
    if (this.#pieces !== undefined) {
      payload.removeListener("close", lose);
      bytes = this.#pieces.end();
      this.#pieces = undefined;
    }
    this.#whole = EMPTY; // the request may keep this object, which must not keep the body
    if (!(this.#declared >= 0)) undeclaredBytes.set(payload, bytes.length);
    // The other listeners are harmless, and go with the request. Node would take longer to remove this one.
    if (this.#isListening) payload.removeListener("data", take);
    // The rest is discarded, so that its sender can read the answer. Hooks may wait for the end of the body.
    else if (fault !== undefined || payload.listenerCount("end") > 0) payload.resume();
    if (fault === undefined) return this.#onEnd(undefined, bytes);
    payload.removeListener("error", lose);
    this.#onEnd(fault, EMPTY);
  }

  #collect(): Pieces {
    if (this.#pieces === undefined) {
      this.#pieces = new Pieces(this.#declared, this.#bounds, () => this.end("OVERLOADED"));
      this.#payload.on("close", lose);
    }
    return this.#pieces;
  }
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

  /** All bytes of the declared length have arrived. */
  get isWhole(): boolean {
    return this.#received === this.#declared;
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
