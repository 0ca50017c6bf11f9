import type { Clock } from "../dispatch/clock.ts";

/** Maximum number of consecutive unanswered pings. */
const MISSED_PINGS = 2;

/** Detects a lost connection by regular pings. */
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

  /** Records that something was received. */
  alive(): void {
    this.#missed = 0;
  }

  /** Pauses the detection: while frames are not read, answers to pings are not seen either. */
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
