/** Weight of the newest observation in the averages. */
const LEARNING = 0.15;
/** A hold ends when nothing has arrived for this many average gaps… */
const PATIENCE_GAPS = 4;
/** …but not before this time, in milliseconds: sockets deliver in bursts. */
const SHORTEST_PATIENCE_MS = 1;
/** Maximum length of a hold, as a share of a run's fixed cost: a hold cannot save more than that cost. */
const LONGEST_SHARE = 0.5;

/**
 * Decides whether to delay a batch for callers that were just answered. Callers that send in a loop send their next
 * request immediately, and would wait for a whole run if the batch started without them. If arrivals do not depend on
 * answers, waiting for them only costs time.
 *
 * It learns by observation. After each completion it counts the arrivals within a short window, whether or not a batch
 * started in it, and compares them with the rate at other times. No batch has to be delayed as an experiment.
 */
export class HoldPolicy {
  #completedAt = -Infinity;
  /** Number of callers answered by the last completion. */
  #answered = 0;
  /** Arrivals since then, within the window. */
  #returned = 0;
  #lastReturnAt = -Infinity;
  /** Length of the window after this completion. */
  #windowMs = 0;
  #isOpen = false;
  /** Average number of arrivals per window: in excess of the usual rate, and expected at that rate. */
  #excess = 0;
  #expected = 0;
  #firstDelay = SHORTEST_PATIENCE_MS;
  #gap = SHORTEST_PATIENCE_MS / PATIENCE_GAPS;
  /** Arrivals and time outside of windows: the usual rate. */
  #otherCount = 0;
  #otherMs = 0;
  #otherSince: number | undefined;

  /** Records that a run has answered callers. `fixedMs`: the fixed cost of a run. */
  completed(now: number, answered: number, fixedMs: number): void {
    this.#closeWindow(now);
    if (this.#otherSince !== undefined) this.#countOther(now);
    this.#completedAt = now;
    this.#answered = answered;
    this.#returned = 0;
    this.#lastReturnAt = now;
    this.#windowMs = fixedMs * LONGEST_SHARE;
    this.#isOpen = this.#windowMs > 0;
    this.#otherSince = now + this.#windowMs;
  }

  /** Records an arrival. */
  arrived(now: number): void {
    if (!this.#isOpen) return void this.#otherCount++;
    if (now - this.#completedAt > this.#windowMs) {
      this.#closeWindow(now);
      this.#otherCount++;
      return;
    }
    const delay = now - this.#lastReturnAt;
    if (this.#returned === 0) this.#firstDelay += LEARNING * (delay - this.#firstDelay);
    else this.#gap += LEARNING * (delay - this.#gap);
    this.#returned++;
    this.#lastReturnAt = now;
  }

  /** The time until which a batch should wait for more jobs; `now` or earlier: do not wait. */
  holdUntil(now: number): number {
    if (this.#returned >= this.#answered) return now;
    if (this.#excess <= 0.25 + 0.5 * this.#expected) return now;
    const patience =
      this.#returned === 0
        ? Math.max(SHORTEST_PATIENCE_MS, 2 * this.#firstDelay)
        : Math.max(SHORTEST_PATIENCE_MS, PATIENCE_GAPS * this.#gap);
    return Math.min(this.#lastReturnAt + patience, this.#completedAt + this.#windowMs);
  }

  #closeWindow(now: number): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const observedMs = Math.min(now - this.#completedAt, this.#windowMs);
    const expected = this.#otherMs > 0 ? (this.#otherCount / this.#otherMs) * observedMs : 0;
    this.#excess += LEARNING * (this.#returned - expected - this.#excess);
    this.#expected += LEARNING * (expected - this.#expected);
  }

  #countOther(now: number): void {
    this.#otherMs += Math.max(0, now - (this.#otherSince ?? now));
    // Discount older observations.
    this.#otherMs *= 0.9;
    this.#otherCount *= 0.9;
  }
}
