import type { Clock } from "../dispatch/clock.ts";

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

/** A clock that only moves when a test advances it. */
export class FakeClock implements Clock {
  #now = 0;
  /** Sorted by due time; timers due at the same time are in the order of creation. */
  readonly #timers: Timer[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { due: this.#now + Math.max(ms, 0), callback };
    this.#timers.splice(this.#indexAfter(timer.due), 0, timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index >= 0) this.#timers.splice(index, 1);
    };
  }

  precisely(ms: number, callback: () => void): () => void {
    return this.after(ms, callback);
  }

  soon(callback: () => void): () => void {
    return this.after(0, callback);
  }

  /** Number of pending callbacks. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Due time of the next callback; undefined if there is none. */
  get nextDue(): number | undefined {
    return this.#timers[0]?.due;
  }

  /** Advances time by `ms`. Due callbacks run in order, including those that they schedule. */
  advance(ms: number): void {
    this.advanceTo(this.#now + ms);
  }

  /** Advances time to `end`. Unlike repeated {@link advance}, it does not add up rounding errors. */
  advanceTo(end: number): void {
    for (;;) {
      const next = this.#timers[0];
      if (next === undefined || next.due > end) break;
      this.#timers.shift();
      this.#now = Math.max(this.#now, next.due);
      next.callback();
    }
    this.#now = Math.max(this.#now, end);
  }

  #indexAfter(due: number): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#timers[middle] as Timer).due <= due) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
