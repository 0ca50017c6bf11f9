import type { Workload } from "./workload.ts";

/**
 * The runner-seconds of a scaler that knows the future and lets no request wait: runner k exists whenever k are needed, begins
 * its start early enough, and stays through a pause that is shorter than a start.
 * @param startSeconds the time of each start
 * @param slots the requests that a runner serves at a time
 */
export function oracleRunnerSeconds(workload: Workload, startSeconds: number, slots: number): number {
  const { arrivals, services } = workload;
  const ends = arrivals.map((arrival, request) => arrival + (services[request] as number)).sort();
  /** For each runner, the time when it was last not needed any more. */
  const freeSince: number[] = [];
  const neededSince: number[] = [];
  let [total, running, arrived, ended] = [0, 0, 0, 0];
  while (ended < ends.length) {
    const arrival = arrivals[arrived] ?? Infinity;
    const end = ends[ended] as number;
    if (arrival < end) {
      arrived++;
      if (running % slots === 0) {
        const runner = running / slots;
        const pause = arrival - (freeSince[runner] ?? -Infinity);
        total += Math.min(pause, startSeconds);
        neededSince[runner] = arrival;
      }
      running++;
    } else {
      ended++;
      running--;
      if (running % slots === 0) {
        const runner = running / slots;
        freeSince[runner] = end;
        total += end - (neededSince[runner] as number);
      }
    }
  }
  return total;
}
