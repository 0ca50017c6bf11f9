import { getHeapStatistics } from "node:v8";
import type { Clock } from "../../dispatch/clock.ts";

/** Without a limit of its own, a server holds this share of the heap's limit in what its callers sent. */
const HEAP_SHARE = 1 / 8;
/** And no more than so much, in bytes. */
const MOST_BYTES = 256 * 1024 * 1024;

/** A body that doesn't come may keep others out for so long, in milliseconds. */
const PATIENCE_MS = 2_000;
/** Each so many bytes buy a body another millisecond, up to {@link PATIENCE_MS} from now. */
const BYTES_PER_MS = 16;

/** How much of what callers sent may be in memory at a time, unless a server says so itself. In bytes. */
export function defaultMaxBytesInFlight(heapLimitBytes = getHeapStatistics().heap_size_limit): number {
  return Math.min(MOST_BYTES, Math.floor(heapLimitBytes * HEAP_SHARE));
}

/**
 * Counts what callers have sent and the server still has in memory: bodies that arrive, requests that are not answered
 * yet, frames of websockets. Room is taken before memory is, so that no number of callers can fill the heap.
 */
export class MemoryBudget {
  readonly maxBytes: number;
  readonly #clock: Clock;
  readonly #arriving = new Set<ArrivingBody>();
  #held = 0;

  constructor(maxBytes: number, clock: Clock) {
    this.maxBytes = maxBytes;
    this.#clock = clock;
  }

  /** What is held now, in bytes. */
  get held(): number {
    return this.#held;
  }

  /** Takes room, if there is some. */
  take(bytes: number): boolean {
    if (!this.hasRoom(bytes)) return false;
    this.#held += bytes;
    return true;
  }

  /** Whether so much could be taken. What keeps others out and doesn't come is given up for it. */
  hasRoom(bytes: number): boolean {
    if (this.#held + bytes <= this.maxBytes) return true;
    if (bytes > this.maxBytes) return false;
    const now = this.#clock.now();
    for (const body of this.#arriving) {
      if (!body.isLate(now)) continue;
      body.giveUp();
      if (this.#held + bytes <= this.maxBytes) return true;
    }
    return false;
  }

  /** Counts what is in memory already, whether or not there is room. */
  hold(bytes: number): void {
    this.#held += bytes;
  }

  /** What was taken or held is not in memory any more. */
  free(bytes: number): void {
    this.#held -= bytes;
  }

  /**
   * Keeps room for a body of so many bytes that begins to arrive; undefined when there is none.
   * @param onGivenUp called when it comes too slowly and its room is wanted: it has ended then.
   */
  expect(bytes: number, onGivenUp: () => void): ArrivingBody | undefined {
    if (!this.take(bytes)) return undefined;
    const body = new ArrivingBody(bytes, this.#clock.now(), {
      take: (more) => this.take(more),
      end: () => {
        this.#arriving.delete(body);
        this.free(body.held);
      },
      onGivenUp,
    });
    this.#arriving.add(body);
    return body;
  }
}

/** A body on its way, with the room that is kept for it. */
export class ArrivingBody {
  readonly #events: { take: (bytes: number) => boolean; end: () => void; onGivenUp: () => void };
  #held: number;
  #isOver = false;
  #patientUntil: number;

  constructor(
    bytes: number,
    now: number,
    events: { take: (bytes: number) => boolean; end: () => void; onGivenUp: () => void },
  ) {
    this.#held = bytes;
    this.#events = events;
    this.#patientUntil = now + PATIENCE_MS;
  }

  /** The room it has, in bytes. */
  get held(): number {
    return this.#held;
  }

  /**
   * So many bytes came.
   * @param capacity what all of it may take from now on
   * @returns false when that is more than was expected, and there is no room for it
   */
  came(bytes: number, capacity: number, now: number): boolean {
    this.#patientUntil = Math.min(now + PATIENCE_MS, this.#patientUntil + bytes / BYTES_PER_MS);
    const more = capacity - this.#held;
    if (more <= 0) return true;
    if (!this.#events.take(more)) return false;
    this.#held += more;
    return true;
  }

  /** It comes so slowly that others need not wait for it. */
  isLate(now: number): boolean {
    return now > this.#patientUntil;
  }

  /** Gives its room to others. */
  giveUp(): void {
    this.end();
    this.#events.onGivenUp();
  }

  /** It has arrived, or never will. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#events.end();
  }
}
