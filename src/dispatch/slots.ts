/** Somebody who runs work on slots. */
export interface SlotUser {
  /** When the first that waits for a slot came; undefined when nothing waits. */
  readonly oldestArrival: number | undefined;
  /** A slot is free. */
  wake(): void;
}

/** Holds a slot until it is given back. */
export interface SlotLease {
  /** When it will most likely be given back, on the dispatcher's clock. */
  readonly expectedEnd: number;
}

/** Nobody looks further ahead than so many free slots. */
const MOST_TIMES = 16;

/** Room for so many runs at a time, shared by all who run work on it. A free slot goes to whom has waited longest. */
export class Slots {
  readonly #users: SlotUser[] = [];
  readonly #leases = new Set<SlotLease>();
  #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get capacity(): number {
    return this.#capacity;
  }

  get used(): number {
    return this.#leases.size;
  }

  get free(): number {
    return Math.max(0, this.#capacity - this.#leases.size);
  }

  /** Wants to hear of free slots. */
  join(user: SlotUser): void {
    this.#users.push(user);
  }

  /** More or fewer from now on; leases that are out stay out. */
  resize(capacity: number): void {
    const grows = capacity > this.#capacity;
    this.#capacity = capacity;
    if (grows) this.announce();
  }

  take(lease: SlotLease): void {
    this.#leases.add(lease);
  }

  /** Gives a slot back; nobody hears of it before {@link announce}. */
  giveBack(lease: SlotLease): void {
    this.#leases.delete(lease);
  }

  /** Tells those who wait of what is free. */
  announce(): void {
    const waiting = this.#users.filter((user) => user.oldestArrival !== undefined);
    waiting.sort((a, b) => (a.oldestArrival ?? 0) - (b.oldestArrival ?? 0));
    for (const user of waiting) {
      if (this.free === 0) return;
      user.wake();
    }
  }

  /** When slots are expected to be free, soonest first, as many as there are at most. `now` for those that are. */
  freeTimes(now: number): number[] {
    const times: number[] = [];
    for (let count = Math.min(this.free, MOST_TIMES); count > 0; count--) times.push(now);
    if (times.length < MOST_TIMES) {
      const ends = Array.from(this.#leases, ({ expectedEnd }) => Math.max(now, expectedEnd));
      times.push(...ends.sort((a, b) => a - b));
    }
    return times.slice(0, Math.min(this.#capacity, MOST_TIMES));
  }
}
