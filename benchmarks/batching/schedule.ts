import { SeededRandom } from "./random.ts";

/** A Poisson process. */
export interface ScheduleOptions {
  readonly ratePerSecond: number;
  readonly durationMs: number;
  readonly seed: number;
  /** For so long the rate rises evenly from 0 to the whole: a cold server would never work off what it gets at once. */
  readonly rampMs: number;
}

/**
 * When requests of an open loop are sent, in milliseconds from its start: fixed by the seed before the first is sent,
 * so that slow answers delay nothing.
 */
export function poissonSchedule({ ratePerSecond, durationMs, seed, rampMs }: ScheduleOptions): Float64Array {
  const random = new SeededRandom(seed);
  const times: number[] = [];
  let time = random.exponential(1000 / ratePerSecond);
  while (time < durationMs) {
    if (time >= rampMs || random.uniform() * rampMs < time) times.push(time); // a Poisson process thinned is one, too
    time += random.exponential(1000 / ratePerSecond);
  }
  return Float64Array.from(times);
}
