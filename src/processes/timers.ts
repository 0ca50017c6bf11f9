import { setTimeout as delay } from "node:timers/promises";

/** The longest delay of a Node timer, about 24.8 days, in milliseconds. A longer delay would end immediately. */
export const LONGEST_TIMER_MS: number = 2 ** 31 - 1;

/** Limits a delay to the maximum of a timer. @param ms positive; may be Infinity */
export function timerMs(ms: number): number {
  return Math.min(ms, LONGEST_TIMER_MS);
}

/** Waits for a time. @throws the signal's reason as soon as it aborts */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(timerMs(ms), undefined, { signal }).catch(() => signal?.throwIfAborted());
}
