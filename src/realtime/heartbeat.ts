import type { Clock } from "../dispatch/clock.ts";

/** So many pings in a row may stay unanswered. */
const MISSED_PINGS = 2;

/** Notices a far end that is gone without a word: asks for a sign of life at regular times. */
export class Heartbeat {
  readonly #everyMs: number;
  readonly #clock: Clock;
  readonly #ping: () => void;
  readonly #onDead: () => void;
  #missed = 0;
  #paused = false;
  #cancel: () => void;

  constructor(everyMs: number, clock: Clock, ping: () => void, onDead: () => void) {
    this.#everyMs = everyMs;
    this.#clock = clock;
    this.#ping = ping;
    this.#onDead = onDead;
    this.#cancel = clock.after(everyMs, this.#beat);
  }

  /** Something came from the far end. */
  alive(): void {
    this.#missed = 0;
  }

  /** While frames are not taken in, no answer can be seen either. */
  pause(paused: boolean): void {
    this.#paused = paused;
    this.#missed = 0;
  }

  stop(): void {
    this.#cancel();
  }

  readonly #beat = (): void => {
    if (!this.#paused && this.#missed >= MISSED_PINGS) {
      this.#onDead();
      return;
    }
    this.#missed++;
    this.#ping();
    this.#cancel = this.#clock.after(this.#everyMs, this.#beat);
  };
}
