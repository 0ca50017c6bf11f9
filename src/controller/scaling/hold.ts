import { startSeconds, type History } from "./history.ts";
import type { ScalingSettings } from "./snapshot.ts";

/** The holds to choose from, as multiples of the start time. */
const CANDIDATES = [0, 0.15, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 13, 20, 30];
const LONGEST_HOLD_SECONDS = 300;
/** The gaps from which on they are learned from. */
const ENOUGH_GAPS = 4;
/** The price of a start beside its time, in seconds of a runner. */
const START_PRICE_SECONDS = 4;
/** The price of a request's wait for a start, in start times of a runner. */
const WAIT_PRICE = { thrifty: 0, balanced: 1.25, eager: 5.1 };

export type Eagerness = Exclude<ScalingSettings["scaling"], "documented">;

/**
 * The time in seconds that the runner of a level is kept after it was last needed: with it, the past gaps of the level
 * would have cost least. A gap that ends within the hold costs its own length; a longer one costs the hold and a new start.
 */
export function holdSeconds(gaps: readonly number[], start: number, eagerness: Eagerness): number {
  const longest = Math.min(LONGEST_HOLD_SECONDS, start);
  if (gaps.length < ENOUGH_GAPS) return longest;
  let cheapest = longest;
  let least = Infinity;
  for (const candidate of CANDIDATES) {
    const hold = Math.min(LONGEST_HOLD_SECONDS, candidate * start);
    const restart = hold + start * (1 + WAIT_PRICE[eagerness]) + START_PRICE_SECONDS;
    const price = gaps.reduce((sum, gap) => sum + (gap <= hold ? gap : restart), 0);
    if (price < least) [cheapest, least] = [hold, price];
  }
  return cheapest;
}

/** A level that is kept, with the numbers that say why. */
export interface HeldLevel {
  readonly level: number;
  readonly unneededSeconds: number;
  readonly holdSeconds: number;
}

/** The highest level that was needed within its hold, or at the last observation; undefined if there is none. */
export function heldLevel(history: History, now: number, eagerness: Eagerness): HeldLevel | undefined {
  const start = startSeconds(history);
  for (let level = history.lastNeeded.length; level >= 1; level--) {
    const last = history.lastNeeded[level - 1] ?? -Infinity;
    const unneededSeconds = Math.max(0, now - last);
    const hold = memoizedHold(history.gaps[level - 1] ?? [], start, eagerness);
    if (unneededSeconds < hold || last === history.observedUntil)
      return { level, unneededSeconds, holdSeconds: hold };
  }
  return undefined;
}

const memo = new WeakMap<readonly number[], { start: number; eagerness: Eagerness; hold: number }>();

/** Remembers the last result for a list of gaps, which is never changed: decisions are many, new gaps are few. */
function memoizedHold(gaps: readonly number[], start: number, eagerness: Eagerness): number {
  const known = memo.get(gaps);
  if (known?.start === start && known.eagerness === eagerness) return known.hold;
  const hold = holdSeconds(gaps, start, eagerness);
  memo.set(gaps, { start, eagerness, hold });
  return hold;
}
