import type { Socket } from "node:net";
import type { Clock } from "../../dispatch/clock.ts";

/** The time that refusals may take in one turn of the event loop, in milliseconds. */
const TURN_MS = 1;
/** The number of refusals in a turn that are never too many: a turn may also be long because the machine is busy. */
const TURN_REFUSALS = 25;
/** The number of refusals from which on the end of the turn is awaited: this costs as much as a part of a refusal. */
const FIRST_REFUSALS = 10;
/** The time of one request, for the number of connections that fit into the rest of a turn. In milliseconds. */
const REQUEST_MS = 0.02;
/** Time after which a paused connection is read although turns are long, in milliseconds: the shortest `Retry-After`. */
const LONG_UNREAD_MS = 1_000;
/** The number of such connections in a turn: if all were read at once, the turn would be long again. */
const OVERDUE = 10;

/**
 * Keeps turns of the event loop short when more requests arrive than the process can refuse. Each turn reads every
 * connection that has sent something. If a turn takes too long, the connections that were refused last are not
 * read for a while. So the other requests are read soon after they have been sent, and those among them that are accepted are
 * answered in time. Without this, all requests would wait equally long, and all would be late.
 */
export class CrowdedTurns {
  readonly #clock: Pick<Clock, "now" | "soon">;
  #startedAt: number | undefined;
  #count = 0;
  /** The length of the last turn, in milliseconds. */
  #lastMs = 0;
  #isWaiting = false;
  /** Connections to pause at the end of the turn. */
  #excess: Pausable[] = [];
  /** Connections that are not read, longest first, with the time since then. */
  readonly #unread = new Map<Pausable, number>();
  /** Connections that are read in this turn for the first time again. */
  #resumed: Pausable[] = [];

  constructor(clock: Pick<Clock, "now" | "soon">) {
    this.#clock = clock;
  }

  /** Number of connections that are not read. */
  get unread(): number {
    return this.#unread.size;
  }

  /**
   * Records that a request was refused. Its connection may not be read for a while.
   * @param isParsing whether Node's parser runs, which would continue to read the connection
   */
  refused(socket: Socket, isParsing = false): void {
    const count = ++this.#count;
    if (count < FIRST_REFUSALS) return;
    if (this.#startedAt === undefined) {
      this.#startedAt = this.#clock.now();
      this.#endSoon();
    } else if (count >= TURN_REFUSALS) {
      const now = this.#clock.now();
      if (now - this.#startedAt <= TURN_MS) return;
      // Not at the end of the turn: it does not end while more connections can be read than the system reports at once.
      if (isParsing) this.#excess.push(socket);
      else this.#pause(socket, now);
    }
  }

  /**
   * How long a request that has just been read may have waited for it, in milliseconds: since its connection was paused,
   * or since the last turn began.
   */
  unreadMs(socket: Socket): number {
    if (this.#unread.size === 0 && this.#resumed.length === 0) return 0;
    const now = this.#clock.now();
    const { [UNREAD_SINCE]: since } = socket as Pausable;
    return since === undefined ? this.#lastMs + now - (this.#startedAt ?? now) : now - since;
  }

  #endSoon(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#clock.soon(() => this.#end());
  }

  #end(): void {
    const now = this.#clock.now();
    const tookMs = now - (this.#startedAt ?? now);
    this.#startedAt = undefined;
    this.#lastMs = tookMs;
    this.#count = 0;
    this.#isWaiting = false;
    for (const socket of this.#resumed) socket[UNREAD_SINCE] = undefined;
    this.#resumed = [];
    for (const socket of this.#excess) this.#pause(socket, now);
    this.#excess = [];
    // Not while turns are nearly too long: the same connections would be paused again at once.
    this.#resume(now, tookMs > TURN_MS / 2 ? 0 : (TURN_MS - tookMs) / REQUEST_MS);
    if (this.#unread.size > 0 || this.#resumed.length > 0) this.#endSoon();
  }

  #pause(socket: Pausable, now: number): void {
    if (socket._handle?.readStop === undefined || this.#unread.has(socket)) return;
    socket._handle.readStop();
    this.#unread.set(socket, now);
  }

  /** Reads connections again: as many as there is time for, and some that have not been read for long. */
  #resume(now: number, count: number): void {
    for (const [socket, since] of this.#unread) {
      const most = now - since < LONG_UNREAD_MS ? count : Math.max(count, OVERDUE);
      if (this.#resumed.length >= most) return;
      this.#unread.delete(socket);
      if (socket._handle?.readStart === undefined) continue; // closed
      socket[UNREAD_SINCE] = since;
      socket._handle.readStart();
      this.#resumed.push(socket);
    }
  }
}

const UNREAD_SINCE = Symbol("unread since");

/**
 * A connection with its handle. Node's `pause()` first reads what has arrived, which is the very work to put off; its HTTP
 * server pauses connections by their handles as well.
 */
type Pausable = Socket & {
  [UNREAD_SINCE]?: number | undefined;
  readonly _handle?: { readonly readStop?: () => void; readonly readStart?: () => void } | null;
};
