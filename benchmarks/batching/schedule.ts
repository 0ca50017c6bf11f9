import { SeededRandom } from "../lib/random.ts";

/** A Poisson process. */
export interface ScheduleOptions {
  readonly ratePerSecond: number;
  readonly durationMs: number;
  readonly seed: number;
  /** The time in which the rate rises evenly from 0 to its full value, in milliseconds: a cold server could never catch up with the full rate. */
  readonly rampMs: number;
}

/**
 * The send times of an open loop, in milliseconds from its start: fixed by the seed before the first request is sent,
 * so that slow responses delay nothing.
 */
export function poissonSchedule({ ratePerSecond, durationMs, seed, rampMs }: ScheduleOptions): Float64Array {
  const random = new SeededRandom(seed);
  const times: number[] = [];
  let time = random.exponential(1000 / ratePerSecond);
  while (time < durationMs) {
    if (time >= rampMs || random.uniform() * rampMs < time) times.push(time); // a thinned Poisson process is a Poisson process, too
    time += random.exponential(1000 / ratePerSecond);
  }
  return Float64Array.from(times);
}
