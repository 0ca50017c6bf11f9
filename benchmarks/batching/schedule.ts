import { SeededRandom } from "./random.ts";

/**
 * When requests of an open loop are sent, in milliseconds from its start: a Poisson process, fixed by its seed before
 * the first is sent, so that slow answers delay nothing.
 */
export function poissonSchedule(ratePerSecond: number, durationMs: number, seed: number): Float64Array {
  const random = new SeededRandom(seed);
  const times: number[] = [];
  let time = random.exponential(1000 / ratePerSecond);
  while (time < durationMs) {
    times.push(time);
    time += random.exponential(1000 / ratePerSecond);
  }
  return Float64Array.from(times);
}
