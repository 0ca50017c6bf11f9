import { setTimeout as delay } from "node:timers/promises";

/** The longest wait of a Node timer, about 24.8 days, in milliseconds. A longer one would end at once. */
export const LONGEST_TIMER_MS: number = 2 ** 31 - 1;

/** Limits a wait to what a timer can do. @param ms positive, Infinity included */
export function timerMs(ms: number): number {
  return Math.min(ms, LONGEST_TIMER_MS);
}

/** Waits. @throws the signal's reason, as soon as it aborts */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(timerMs(ms), undefined, { signal }).catch(() => signal?.throwIfAborted());
}
