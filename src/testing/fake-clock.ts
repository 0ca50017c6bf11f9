import type { Clock } from "../dispatch/clock.ts";

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is told to go on. */
export class FakeClock implements Clock {
  #now = 0;
  /** By due time; of two due at once, the one set first comes first. */
  readonly #timers: Timer[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { due: this.#now + Math.max(ms, 0), callback };
    this.#timers.splice(this.#placeAfter(timer.due), 0, timer);
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

  /** How many callbacks wait. */
  get pending(): number {
    return this.#timers.length;
  }

  /** When the next callback is due; undefined when none waits. */
  get nextDue(): number | undefined {
    return this.#timers[0]?.due;
  }

  /** Lets so many milliseconds pass: what falls due runs in order, what it starts included. */
  advance(ms: number): void {
    this.advanceTo(this.#now + ms);
  }

  /** The same up to a point in time, so that repeated steps add no rounding errors. */
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

  #placeAfter(due: number): number {
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
