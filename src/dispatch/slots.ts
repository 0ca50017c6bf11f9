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
  /** When it should be given back at the latest, on the same clock. Default: never. */
  readonly finishBy?: number;
}

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

  /** Those who want to hear of free slots. */
  get users(): readonly SlotUser[] {
    return this.#users;
  }

  /** Wants to hear of free slots. */
  join(user: SlotUser): void {
    this.#users.push(user);
  }

  /** More or fewer from now on; leases that are out stay out. */
  resize(capacity: number): void {
    const grows = capacity > this.#capacity;
    this.#capacity = capacity;
    if (grows) announceFree([this]);
  }

  take(lease: SlotLease): void {
    this.#leases.add(lease);
  }

  /** Gives a slot back; nobody hears of it before {@link announceFree}. */
  giveBack(lease: SlotLease): void {
    this.#leases.delete(lease);
  }

  /** Whether every slot is held by what should have given it back `graceMs` ago: nothing can start any more. */
  isStuck(now: number, graceMs: number): boolean {
    if (this.#leases.size < this.#capacity) return false;
    let late = 0;
    for (const { finishBy = Infinity } of this.#leases) if (finishBy + graceMs <= now) late++;
    return late > 0 && late >= this.#capacity;
  }

  /** When the slot that is free first, second, … is expected to be, from 0; `now` for one that is. */
  freeAt(index: number, now: number): number {
    const { free } = this;
    if (index < free) return now;
    const ends = Array.from(this.#leases, ({ expectedEnd }) => expectedEnd).sort((a, b) => a - b);
    // Where there are more leases than slots, the first that are given back free none.
    const surplus = Math.max(0, this.#leases.size - this.#capacity);
    return Math.max(now, ends[index - free + surplus] ?? Infinity);
  }
}

/**
 * Tells those who wait of what is free on any of these. Who has waited longest comes first, whichever of them it is
 * that they share: else who shares least would always be asked before all others.
 */
export function announceFree(slots: readonly Slots[]): void {
  const [first] = slots;
  const users = slots.length === 1 ? (first?.users ?? []) : [...new Set(slots.flatMap((each) => each.users))];
  const waiting = users.filter((user) => user.oldestArrival !== undefined);
  waiting.sort((a, b) => (a.oldestArrival ?? 0) - (b.oldestArrival ?? 0));
  for (const user of waiting) {
    if (slots.every((each) => each.free === 0)) return;
    user.wake();
  }
}

/** What a dispatcher's runs run on. A run takes a slot of each kind: its own, and those it shares with others. */
export class Executors {
  readonly #slots: readonly Slots[];

  constructor(slots: readonly Slots[], user: SlotUser) {
    this.#slots = slots;
    for (const each of slots) each.join(user);
  }

  /** How many runs there may be at a time; Infinity for any number. */
  get capacity(): number {
    let capacity = Infinity;
    for (const slots of this.#slots) capacity = Math.min(capacity, slots.capacity);
    return capacity;
  }

  /** How many runs could start now. */
  get free(): number {
    let free = Infinity;
    for (const slots of this.#slots) free = Math.min(free, slots.free);
    return free;
  }

  /** When the executor that is free first, second, … is expected to be, from 0; `now` for one that is. */
  freeAt(index: number, now: number): number {
    let time = now;
    for (const slots of this.#slots) time = Math.max(time, slots.freeAt(index, now));
    return time;
  }

  take(lease: SlotLease): void {
    for (const slots of this.#slots) slots.take(lease);
  }

  /** Nobody hears of it before {@link announce}. */
  giveBack(lease: SlotLease): void {
    for (const slots of this.#slots) slots.giveBack(lease);
  }

  /** Tells all who wait for any of the slots, this dispatcher among them. */
  announce(): void {
    announceFree(this.#slots);
  }
}
