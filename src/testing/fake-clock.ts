import type { Clock } from "../dispatch/clock.ts";

/** A clock that stands still until it is told to go on. */
export class FakeClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #timers = new Map<number, { due: number; callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const id = this.#order++;
    this.#timers.set(id, { due: this.#now + ms, callback });
    return () => void this.#timers.delete(id);
  }

  /** How many callbacks wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets so many milliseconds pass: what falls due runs in order, what it starts included. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = [...this.#timers].filter(([, { due }]) => due <= end).sort(byDue)[0];
      if (next === undefined) break;
      const [id, { due, callback }] = next;
      this.#timers.delete(id);
      this.#now = Math.max(this.#now, due);
      callback();
    }
    this.#now = end;
  }
}

type Entry = [id: number, timer: { due: number }];

function byDue([idA, a]: Entry, [idB, b]: Entry): number {
  return a.due - b.due || idA - idB;
}
