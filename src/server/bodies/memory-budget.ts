import { getHeapStatistics } from "node:v8";
import type { Clock } from "../../dispatch/clock.ts";

/** Default budget, as a share of the heap limit. */
const HEAP_SHARE = 1 / 8;
/** Maximum of the default budget, in bytes. */
const MOST_BYTES = 256 * 1024 * 1024;

/** Maximum time for which a stalled body may keep its memory while others need it, in ms. */
const PATIENCE_MS = 2_000;
/**
 * Each time this number of bytes is received, a body may keep its memory 1 ms longer, up to {@link PATIENCE_MS} from
 * then on.
 */
const BYTES_PER_MS = 16;

/** Default of the memory for callers' input, in bytes. */
export function defaultMaxBytesInFlight(heapLimitBytes = getHeapStatistics().heap_size_limit): number {
  return Math.min(MOST_BYTES, Math.floor(heapLimitBytes * HEAP_SHARE));
}

/**
 * Counts the memory of callers' input: bodies that arrive, requests that are not answered yet, frames of websockets.
 * Memory is reserved before it is allocated, so that no number of callers can exhaust the heap.
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

  /** The reserved memory, in bytes. */
  get held(): number {
    return this.#held;
  }

  /** Reserves memory, if available. */
  take(bytes: number): boolean {
    if (!this.hasRoom(bytes)) return false;
    this.#held += bytes;
    return true;
  }

  /** Whether this number of bytes is available. Drops stalled bodies to make room. */
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

  /** Counts memory that is already allocated, whether or not there is room. */
  hold(bytes: number): void {
    this.#held += bytes;
  }

  /** Releases memory that was taken or held. */
  free(bytes: number): void {
    this.#held -= bytes;
  }

  /**
   * Reserves memory for an arriving body; undefined if there is none.
   * @param onGivenUp called when the body has been dropped because it arrived too slowly while others needed its memory
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

/** An arriving body with its reserved memory. */
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

  /** The reserved memory, in bytes. */
  get held(): number {
    return this.#held;
  }

  /**
   * Records received bytes.
   * @param capacity memory that the whole body takes from now on
   * @returns false if that exceeds the reservation and no more is available
   */
  came(bytes: number, capacity: number, now: number): boolean {
    this.#patientUntil = Math.min(now + PATIENCE_MS, this.#patientUntil + bytes / BYTES_PER_MS);
    const more = capacity - this.#held;
    if (more <= 0) return true;
    if (!this.#events.take(more)) return false;
    this.#held += more;
    return true;
  }

  /** Whether the body arrives so slowly that its memory may be given to others. */
  isLate(now: number): boolean {
    return now > this.#patientUntil;
  }

  /** Drops the body and releases its memory. */
  giveUp(): void {
    this.end();
    this.#events.onGivenUp();
  }

  /** Releases the memory: the body has arrived, or never will. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#events.end();
  }
}
