/** The crashes since the last runner that became ready. */
export interface Crashes {
  /** The waves of crashes: runners that were started together and crash together are one. */
  readonly waves: number;
  /** When the last wave began; null without one. */
  readonly lastWaveAt: number | null;
  /** When a start is allowed again; null if it always is. */
  readonly until: number | null;
}

/** No crash since a runner was ready. */
export const NO_CRASHES: Crashes = { waves: 0, lastWaveAt: null, until: null };

const STEP_SECONDS = 30;
const LONGEST_SECONDS = 600;
/** A runner that crashes later than this after it became ready has worked: one of its requests is the likely cause. */
const EARLY_SECONDS = 60;

/** A runner's end that nobody asked for, or a start that took too long. Moments are seconds. */
export interface Crash {
  readonly at: number;
  readonly startedAt: number;
  /** Null if it never was. */
  readonly readyAt: number | null;
}

/** The back-off after a crash: 30 s, with each wave 30 s more, up to 10 minutes. */
export function afterCrash(crashes: Crashes, { at, startedAt, readyAt }: Crash): Crashes {
  const hasWorked = readyAt !== null && at - readyAt > EARLY_SECONDS;
  const isOfLastWave = crashes.lastWaveAt !== null && startedAt <= crashes.lastWaveAt;
  if (hasWorked || isOfLastWave) return crashes;
  const waves = crashes.waves + 1;
  return { waves, lastWaveAt: at, until: at + Math.min(LONGEST_SECONDS, waves * STEP_SECONDS) };
}

/** The number of starts that the back-off allows now: none until its end, then one at a time until a runner is ready. */
export function startsAllowed({ waves, until }: Crashes, now: number, starting: number): number {
  if (waves === 0 || until === null) return Infinity;
  return now < until ? 0 : Math.max(0, 1 - starting);
}
