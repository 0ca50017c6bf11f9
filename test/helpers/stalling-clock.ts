import { FakeClock } from "../../src/testing/fake-clock.ts";

/**
 * A clock of a process that the machine stops for a while: whatever is due during a stall happens at its end, and sees
 * only the time then.
 */
export class StallingClock extends FakeClock {
  #until = 0;

  /** The process stops now, for `ms`. */
  stall(ms: number): void {
    this.#until = this.now() + ms;
  }

  override now(): number {
    return Math.max(super.now(), this.#until);
  }

  override after(ms: number, callback: () => void): () => void {
    return super.after(Math.max(ms, 0) + this.now() - super.now(), callback);
  }

  override soon(callback: () => void): () => void {
    return super.after(0, callback);
  }
}
