import type { Duplex } from "node:stream";
import type { Clock } from "../../dispatch/clock.ts";
import type { MemoryBudget } from "../bodies/memory-budget.ts";
import type { ServerSocket } from "./server-socket.ts";

/** Smaller amounts are not counted, even for ten thousand websockets. In bytes. */
const SMALL = 4 * 1024;
/** Memory overhead of a chunk, in bytes. */
const CHUNK_BYTES = 256;
/** Maximum time for which a sender is paused while memory is short, and the interval of retries, in ms. */
const MAX_PAUSE_MS = 2_000;
const RETRY_MS = 20;
/** Time that a client has to answer the close frame, in ms. */
const CLOSE_ANSWER_MS = 2_000;

/** The header of a client's ping or pong, in bytes. */
const CONTROL_HEAD_BYTES = 6;

/** A close code. */
const TRY_AGAIN_LATER = 1013;

/**
 * Counts the bytes of an incomplete websocket message, which `ws` buffers until the message is complete. If there is no
 * memory for them, the sender is paused, and the connection is closed if none becomes available.
 */
export class FrameMeter {
  readonly #socket: ServerSocket;
  readonly #transport: Duplex;
  readonly #budget: MemoryBudget;
  readonly #clock: Clock;
  /** Bytes of the incomplete message, with the overhead of its chunks. */
  #pending = 0;
  /** The part of them that the budget has counted. */
  #held = 0;
  /** The length of the last chunk. */
  #chunk = 0;
  #isCredited = false;
  #isOver = false;
  #stopWaiting: (() => void) | undefined;

  /** @param transport the stream that the websocket reads */
  constructor(socket: ServerSocket, transport: Duplex, budget: MemoryBudget, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#transport = transport;
    this.#budget = budget;
    listenFirst(transport, this.#onData);
    socket.on("ping", this.#onControlFrame);
    socket.on("pong", this.#onControlFrame);
    socket.once("close", () => this.#end());
  }

  /** A message of this length is complete. The beginning of the next one may have arrived with the last chunk. */
  messageComplete(bytes: number): void {
    this.#pending = Math.min(this.#chunk, Math.max(0, this.#pending - bytes));
    if (this.#held > 0) this.#releaseRoom();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#isOver) return;
    this.#chunk = chunk.length;
    this.#isCredited = false;
    this.#pending += chunk.length + CHUNK_BYTES;
    if (this.#pending <= SMALL) return;
    if (!this.#takeRoom() && this.#stopWaiting === undefined) this.#wait(this.#clock.now() + MAX_PAUSE_MS);
  };

  #takeRoom(): boolean {
    const more = this.#pending - this.#held;
    if (!this.#budget.take(more)) return false;
    this.#held += more;
    return true;
  }

  #wait(until: number): void {
    this.#transport.pause();
    this.#stopWaiting = this.#clock.after(RETRY_MS, () => {
      this.#stopWaiting = undefined;
      if (this.#takeRoom()) {
        if (!this.#socket.isPaused) this.#transport.resume();
      } else if (this.#clock.now() < until) this.#wait(until);
      else this.#refuse();
    });
  }

  /** A ping or pong, which may arrive alone in its chunk or between the fragments of a message. */
  readonly #onControlFrame = (data: Buffer): void => {
    const frame = data.length + CONTROL_HEAD_BYTES + (this.#isCredited ? 0 : CHUNK_BYTES);
    this.#isCredited = true;
    this.#pending = Math.max(0, this.#pending - frame);
    if (this.#held > 0) this.#releaseRoom();
  };

  #releaseRoom(): void {
    const held = this.#pending <= SMALL ? 0 : Math.min(this.#held, this.#pending);
    this.#budget.free(this.#held - held);
    this.#held = held;
  }

  #refuse(): void {
    this.#end();
    this.#socket.end(TRY_AGAIN_LATER, "Too much is being sent at a time");
    // Further data is discarded instead of buffered.
    this.#transport.removeAllListeners("data");
    this.#transport.resume();
    const late = setTimeout(() => this.#socket.terminate(), CLOSE_ANSWER_MS).unref();
    this.#socket.once("close", () => clearTimeout(late));
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopWaiting?.();
    this.#budget.free(this.#held);
    this.#held = 0;
  }
}

/**
 * Calls a listener for each chunk before the listener of `ws`, which parses messages. The two are one listener: with
 * several, Node copies their list for each chunk.
 */
function listenFirst(transport: Duplex, first: (chunk: Buffer) => void): void {
  const [theirs, ...others] = transport.listeners("data") as ((chunk: Buffer) => void)[];
  const both = (chunk: Buffer): void => {
    first(chunk);
    theirs?.call(transport, chunk);
  };
  transport.removeAllListeners("data");
  // As in the wrappers of `once()`, this name lets `ws` remove its listener after a close frame.
  transport.on("data", Object.assign(both, { listener: theirs }));
  for (const other of others) transport.on("data", other);
}
