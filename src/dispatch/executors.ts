import { announceFree, type SlotLease, type Slots, type SlotUser } from "./slots.ts";

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
