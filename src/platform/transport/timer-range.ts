/** The longest wait a Node timer takes, about 24.8 days; a longer one would end at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A wait that somebody asked for, as far as a timer can keep it. @param ms positive, Infinity included */
export function timerMs(ms: number): number {
  return Math.min(ms, LONGEST_TIMER_MS);
}
