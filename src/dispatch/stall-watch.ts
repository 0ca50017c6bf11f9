import type { Clock } from "./clock.ts";

/** Times of the checks of a run, as multiples of its expected time. Later ones each double the time. */
const FIRST_CHECK = 0.25;
/** The earliest check of a run, in milliseconds. */
const EARLIEST_CHECK_MS = 5;
/** A check that is later than this, in milliseconds or as a share of the expected time, was delayed by a stall. */
const TOLERATED_MS = 5;
const TOLERATED_SHARE = 0.15;
/**
 * The number of runs in a row whose times are not trusted. If more runs are delayed, it is most likely their own work that
 * blocks this thread.
 */
const MOST_STALLED = 3;

/**
 * Detects stalls of the process during a run: the machine was busy or suspended, or the process was stopped. The
 * time of such a run says nothing about the next ones. Timers during the run tell, because they are late as well.
 */
export class StallWatch {
  readonly #clock: Clock;
  #stalledInRow = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Watches a run until the returned function is called, which says whether its time can be trusted. */
  watch(expectedMs: number): () => boolean {
    const clock = this.#clock;
    const toleratedMs = Math.max(TOLERATED_MS, TOLERATED_SHARE * expectedMs);
    let isStalled = false;
    let checkMs = Math.max(EARLIEST_CHECK_MS, FIRST_CHECK * expectedMs);
    let due = clock.now() + checkMs;
    const check = (): void => {
      isStalled ||= clock.now() - due > toleratedMs;
      due += checkMs;
      checkMs *= 2;
      if (!isStalled) cancel = clock.after(due - clock.now(), check);
    };
    let cancel = clock.after(checkMs, check);
    return () => {
      cancel();
      isStalled ||= clock.now() - due > toleratedMs;
      this.#stalledInRow = isStalled ? this.#stalledInRow + 1 : 0;
      return !isStalled || this.#stalledInRow > MOST_STALLED;
    };
  }
}
