/** The weight of the newest look at what followed a completion. */
const LEARNING = 0.15;
/** A hold is over when nobody has come for so many of the usual gaps… */
const PATIENCE_GAPS = 4;
/** …but not before this, in milliseconds: sockets deliver in bursts. */
const SHORTEST_PATIENCE_MS = 1;
/** A hold takes at most this share of what a run costs beside its items: that is all it can save. */
const LONGEST_SHARE = 0.5;

/**
 * Decides whether to wait a moment for callers who have just been answered, since those that send in a loop are back
 * at once, and a batch without them would make them wait for a whole run. Open traffic does not follow completions,
 * and waiting for it only costs time.
 *
 * It learns by looking: after each completion it counts who arrives within a moment, whether a batch was cut
 * meanwhile or not, and compares that with the rate at other times. So no batch need be held on trial.
 */
export class HoldPolicy {
  #completedAt = -Infinity;
  /** Callers that the last completion answered, who may be back. */
  #answered = 0;
  /** Arrivals since then, within the moment. */
  #back = 0;
  #lastBackAt = -Infinity;
  /** How long the look at this completion lasts. */
  #momentMs = 0;
  #looking = false;
  /** Arrivals within a moment beyond what the rate explains, on average; and what it explains. */
  #excess = 0;
  #expected = 0;
  #firstDelay = SHORTEST_PATIENCE_MS;
  #gap = SHORTEST_PATIENCE_MS / PATIENCE_GAPS;
  /** Arrivals and time outside of such moments: the rate to compare with. */
  #otherCount = 0;
  #otherMs = 0;
  #otherSince: number | undefined;

  /** A run has answered so many callers. `fixedMs`: what a run costs beside its items. */
  completed(now: number, answered: number, fixedMs: number): void {
    this.#closeLook(now);
    if (this.#otherSince !== undefined) this.#countOther(now);
    this.#completedAt = now;
    this.#answered = answered;
    this.#back = 0;
    this.#lastBackAt = now;
    this.#momentMs = fixedMs * LONGEST_SHARE;
    this.#looking = this.#momentMs > 0;
    this.#otherSince = now + this.#momentMs;
  }

  /** Something has arrived. */
  arrived(now: number): void {
    if (!this.#looking) return void this.#otherCount++;
    if (now - this.#completedAt > this.#momentMs) {
      this.#closeLook(now);
      this.#otherCount++;
      return;
    }
    const delay = now - this.#lastBackAt;
    if (this.#back === 0) this.#firstDelay += LEARNING * (delay - this.#firstDelay);
    else this.#gap += LEARNING * (delay - this.#gap);
    this.#back++;
    this.#lastBackAt = now;
  }

  /** Until when a batch should wait for more, on the clock; `now` or earlier: not at all. */
  holdUntil(now: number): number {
    if (this.#back >= this.#answered) return now;
    if (this.#excess <= 0.25 + 0.5 * this.#expected) return now;
    const patience =
      this.#back === 0
        ? Math.max(SHORTEST_PATIENCE_MS, 2 * this.#firstDelay)
        : Math.max(SHORTEST_PATIENCE_MS, PATIENCE_GAPS * this.#gap);
    return Math.min(this.#lastBackAt + patience, this.#completedAt + this.#momentMs);
  }

  #closeLook(now: number): void {
    if (!this.#looking) return;
    this.#looking = false;
    const lookedMs = Math.min(now - this.#completedAt, this.#momentMs);
    const expected = this.#otherMs > 0 ? (this.#otherCount / this.#otherMs) * lookedMs : 0;
    this.#excess += LEARNING * (this.#back - expected - this.#excess);
    this.#expected += LEARNING * (expected - this.#expected);
  }

  #countOther(now: number): void {
    this.#otherMs += Math.max(0, now - (this.#otherSince ?? now));
    // Old times count for less and less.
    this.#otherMs *= 0.9;
    this.#otherCount *= 0.9;
  }
}
