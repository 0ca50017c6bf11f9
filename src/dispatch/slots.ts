/** A user of slots, such as a dispatcher. */
export interface SlotUser {
  /** Arrival of its oldest queued job; undefined if none is queued. */
  readonly oldestArrival: number | undefined;
  /** Called when a slot is free. */
  wake(): void;
}

/** The use of a slot, until it is returned. */
export interface SlotLease {
  /** When it is expected to be returned, on the dispatcher's clock. */
  readonly expectedEnd: number;
  /** Latest time at which it should be returned, on the same clock. Default: none. */
  readonly finishBy?: number;
}

/** A limit of concurrent runs, shared by its users. A free slot is offered to the user with the oldest job first. */
export class Slots {
  readonly #users: SlotUser[] = [];
  /** A list, because a Set would keep leases in memory after their end, as explained at the list of queued jobs. */
  readonly #leases: SlotLease[] = [];
  #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get capacity(): number {
    return this.#capacity;
  }

  get used(): number {
    return this.#leases.length;
  }

  get free(): number {
    return Math.max(0, this.#capacity - this.#leases.length);
  }

  /** The users that are notified of free slots. */
  get users(): readonly SlotUser[] {
    return this.#users;
  }

  /** Adds a user to notify of free slots. */
  join(user: SlotUser): void {
    this.#users.push(user);
  }

  /** Changes the number of slots. Slots in use are not affected. */
  resize(capacity: number): void {
    const grows = capacity > this.#capacity;
    this.#capacity = capacity;
    if (grows) announceFree([this]);
  }

  take(lease: SlotLease): void {
    this.#leases.push(lease);
  }

  /** Returns a slot, without notifying users: see {@link announceFree}. */
  giveBack(lease: SlotLease): void {
    const index = this.#leases.lastIndexOf(lease);
    if (index === -1) return;
    const last = this.#leases.pop() as SlotLease;
    if (last !== lease) this.#leases[index] = last;
  }

  /** Whether all slots are in use and overdue by `graceMs`, so that nothing can start any more. */
  isStuck(now: number, graceMs: number): boolean {
    if (this.#leases.length < this.#capacity) return false;
    let late = 0;
    for (const { finishBy = Infinity } of this.#leases) if (finishBy + graceMs <= now) late++;
    return late > 0 && late >= this.#capacity;
  }

  /**
   * Sorts the slots by the expected time at which each is free, and returns that time for slot `index`, counted from 0.
   * `now` if the slot is free.
   */
  freeAt(index: number, now: number): number {
    const { free } = this;
    if (index < free) return now;
    const ends = Array.from(this.#leases, ({ expectedEnd }) => expectedEnd).sort((a, b) => a - b);
    // With more leases than slots, the first returns do not free a slot.
    const surplus = Math.max(0, this.#leases.length - this.#capacity);
    return Math.max(now, ends[index - free + surplus] ?? Infinity);
  }
}

/**
 * Notifies the users of these slots that some are free, oldest job first. All users are sorted together: notifying them
 * per set of slots would always favour the same ones.
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

/** The executors of a dispatcher. A run takes one of each set of slots: the dispatcher's own, and shared ones. */
export class Executors {
  readonly #slots: readonly Slots[];

  constructor(slots: readonly Slots[], user: SlotUser) {
    this.#slots = slots;
    for (const each of slots) each.join(user);
  }

  /** Maximum number of concurrent runs; Infinity for no limit. */
  get capacity(): number {
    let capacity = Infinity;
    for (const slots of this.#slots) capacity = Math.min(capacity, slots.capacity);
    return capacity;
  }

  /** Number of runs that could start now. */
  get free(): number {
    let free = Infinity;
    for (const slots of this.#slots) free = Math.min(free, slots.free);
    return free;
  }

  /**
   * Sorts the executors by the expected time at which each is free, and returns that time for executor `index`, counted
   * from 0. `now` if the executor is free.
   */
  freeAt(index: number, now: number): number {
    let time = now;
    for (const slots of this.#slots) time = Math.max(time, slots.freeAt(index, now));
    return time;
  }

  take(lease: SlotLease): void {
    for (const slots of this.#slots) slots.take(lease);
  }

  /** Returns the slots, without notifying users: see {@link announce}. */
  giveBack(lease: SlotLease): void {
    for (const slots of this.#slots) slots.giveBack(lease);
  }

  /** Notifies all users of these slots, this dispatcher included. */
  announce(): void {
    announceFree(this.#slots);
  }
}
