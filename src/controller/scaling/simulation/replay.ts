import { learn, EMPTY_HISTORY } from "../history.ts";
import type { ScalingSettings } from "../snapshot.ts";
import { oracleRunnerSeconds } from "./oracle.ts";
import { RuleScaler } from "./rule-scaler.ts";
import { simulate } from "./simulator.ts";
import type { Workload } from "./workload.ts";

/** The requests of an app in the past, and what is known of its runners. */
export interface RecordedLoad {
  /** Seconds since 1970, in order, each with the number of requests that arrived in it. */
  readonly arrivals: readonly (readonly [second: number, count: number])[];
  /** The mean time that a runner works on a request, in seconds. */
  readonly serviceSeconds: number;
  /** The usual time of a start, in seconds. */
  readonly startSeconds: number;
}

/** The outcome of the same requests under some settings. */
export interface ReplayResult {
  readonly requests: number;
  /** The sum of the lives of all runners, starts included. */
  readonly runnerSeconds: number;
  /** The same for a scaler that knows the future and lets no request wait. */
  readonly oracleRunnerSeconds: number;
  readonly starts: number;
  readonly peakRunners: number;
  /** Waits in seconds. */
  readonly waitP50: number;
  readonly waitP99: number;
  readonly longestWait: number;
  /** The share of requests that began within 1 s. */
  readonly within1s: number;
}

/**
 * Replays recorded requests under other settings. The requests of a second are spread over it evenly, and each takes the mean
 * service time: within a second, and in the times of single requests, the past was less even.
 */
export function replay(load: RecordedLoad, settings: ScalingSettings): ReplayResult {
  const { serviceSeconds, startSeconds } = load;
  const workload = workloadOf(load);
  const slots = Math.max(1, settings.maxMultiplexing);
  const known = learn(EMPTY_HISTORY, { kind: "ready", startedAt: 0, at: startSeconds });
  const { waits, runnerSeconds, starts, peak } = simulate(workload, {
    scaler: new RuleScaler(settings, { ...known, serviceSeconds }),
    slots,
    startSeconds: () => startSeconds,
    serviceSeconds,
  });
  const sorted = waits.toSorted();
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return {
    requests: sorted.length,
    runnerSeconds,
    oracleRunnerSeconds: oracleRunnerSeconds(workload, startSeconds, slots),
    starts,
    peakRunners: peak,
    waitP50: at(0.5),
    waitP99: at(0.99),
    longestWait: sorted.at(-1) ?? 0,
    within1s:
      sorted.length === 0 ? 1 : waits.reduce((sum, wait) => sum + (wait <= 1 ? 1 : 0), 0) / sorted.length,
  };
}

function workloadOf({ arrivals, serviceSeconds }: RecordedLoad): Workload {
  const first = arrivals[0]?.[0] ?? 0;
  const times = arrivals.flatMap(([second, count]) =>
    Array.from({ length: count }, (_, index) => second - first + (index + 0.5) / count),
  );
  return {
    name: "recorded",
    arrivals: Float64Array.from(times),
    services: new Float64Array(times.length).fill(serviceSeconds),
    end: (arrivals.at(-1)?.[0] ?? 0) - first + 1,
  };
}
