import type { Duplex } from "node:stream";
import type { Clock } from "../../dispatch/clock.ts";
import type { MemoryBudget } from "../bodies/memory-budget.ts";
import type { ServerSocket } from "./server-socket.ts";

/** What is smaller need not be counted: each of ten thousand websockets may have it. In bytes. */
const SMALL = 4 * 1024;
/** What a chunk takes beside its bytes. */
const CHUNK_BYTES = 256;
/** For so long a sender is held back where there is no room, in milliseconds; it is looked for this often. */
const MAX_PAUSE_MS = 2_000;
const RETRY_MS = 20;
/** A far end that does not answer the close frame is cut after so long, in milliseconds. */
const CLOSE_ANSWER_MS = 2_000;

/** What stands before the data of a ping from a client. */
const CONTROL_HEAD_BYTES = 6;

/** The code of a close frame. */
const TRY_AGAIN_LATER = 1013;

/**
 * Counts the bytes of a websocket's message that is on its way and not there yet: `ws` keeps them until the message is
 * whole. Where there is no room for them, the sender is held back, and the connection ends when none comes free.
 */
export class FrameMeter {
  readonly #socket: ServerSocket;
  readonly #transport: Duplex;
  readonly #budget: MemoryBudget;
  readonly #clock: Clock;
  /** Of the message on its way, with what its chunks take. In bytes. */
  #pending = 0;
  /** Of these, what the budget knows of. */
  #held = 0;
  /** The length of the last chunk. */
  #chunk = 0;
  #isCredited = false;
  #isOver = false;
  #stopWaiting: (() => void) | undefined;

  /** @param transport what the websocket reads from */
  constructor(socket: ServerSocket, transport: Duplex, budget: MemoryBudget, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#transport = transport;
    this.#budget = budget;
    transport.prependListener("data", this.#onData); // before `ws`, which makes messages of it
    socket.on("ping", this.#onControlFrame);
    socket.on("pong", this.#onControlFrame);
    socket.once("close", () => this.#end());
  }

  /** A message of so many bytes is whole: what is left of the next one came with the last chunk. */
  messageComplete(bytes: number): void {
    this.#pending = Math.min(this.#chunk, Math.max(0, this.#pending - bytes));
    if (this.#held > 0) this.#releaseRoom();
  }

  readonly #onData = (chunk: Buffer): void => {
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

  /** A ping or pong, which may come alone in its chunk, or between the pieces of a message. */
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
    // What still comes is thrown away, or it would pile up as before.
    this.#transport.removeAllListeners("data");
    this.#transport.resume();
    const late = setTimeout(() => this.#socket.terminate(), CLOSE_ANSWER_MS).unref();
    this.#socket.once("close", () => clearTimeout(late));
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopWaiting?.();
    this.#transport.removeListener("data", this.#onData);
    this.#budget.free(this.#held);
    this.#held = 0;
  }
}
