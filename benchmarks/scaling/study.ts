import { learn, EMPTY_HISTORY, type History } from "../../src/controller/scaling/history.ts";
import { oracleRunnerSeconds } from "../../src/controller/scaling/simulation/oracle.ts";
import { simulate, type Scaler } from "../../src/controller/scaling/simulation/simulator.ts";
import { SeededRandom } from "../lib/random.ts";
import { TRACES, type TracedApp, type TraceName } from "./traces.ts";

/** Usual start times in seconds: a small process, a container, a model on a GPU. */
const START_SECONDS = [2, 15, 90] as const;
const SLOTS = [1, 8] as const;
/** The deviation of the logarithm of start times. */
const START_DEVIATION = 0.2;
const START_SEED = 5;

/** The conditions of an app, and what is known of it at the beginning. */
export interface Conditions {
  readonly startSeconds: number;
  readonly slots: number;
  /** The mean service time of the workload, in seconds. */
  readonly serviceSeconds: number;
}

/** Creates a scaler for one app. */
export type ScalerFactory = (conditions: Conditions) => Scaler;

/** The figures of one trace under one pair of conditions. */
export interface StudyRow {
  readonly trace: TraceName;
  readonly startSeconds: number;
  readonly slots: number;
  /** Runner-seconds ÷ those of the oracle. */
  readonly cost: number;
  /** The shares of requests that began within 1 s, and within a usual start and 1 s. */
  readonly within1s: number;
  readonly withinStart: number;
  /** The mean over apps of the shares of their requests that began within 1.5 usual starts and 1 s. */
  readonly withinLongStart: number;
}

/** Rows of all traces and conditions, or of some of them. */
export function study(
  traces: Readonly<Record<TraceName, readonly TracedApp[]>>,
  create: ScalerFactory,
  names: readonly TraceName[] = TRACES,
): StudyRow[] {
  return START_SECONDS.flatMap((startSeconds) =>
    SLOTS.flatMap((slots) =>
      names.map((trace) => studyTrace(trace, traces[trace], { startSeconds, slots }, create)),
    ),
  );
}

/** A history in which the usual start and service time are known: those of a revision that has run before. */
export function knownHistory({ startSeconds, serviceSeconds }: Conditions): History {
  const known = learn(EMPTY_HISTORY, { kind: "ready", startedAt: 0, at: startSeconds });
  return { ...known, serviceSeconds };
}

/** The mean of a figure over rows. */
export function meanOf(rows: readonly StudyRow[], figure: (row: StudyRow) => number): number {
  return rows.reduce((sum, row) => sum + figure(row), 0) / rows.length;
}

/** The geometric mean of a figure over rows. */
export function geometricMeanOf(rows: readonly StudyRow[], figure: (row: StudyRow) => number): number {
  return Math.exp(meanOf(rows, (row) => Math.log(figure(row))));
}

function studyTrace(
  trace: TraceName,
  apps: readonly TracedApp[],
  { startSeconds, slots }: Omit<Conditions, "serviceSeconds">,
  create: ScalerFactory,
): StudyRow {
  const sums = { cost: 0, oracle: 0, requests: 0, within1s: 0, withinStart: 0, withinLongStart: 0 };
  for (const app of apps) {
    const serviceSeconds = app.services.reduce((sum, each) => sum + each, 0) / app.services.length;
    const random = new SeededRandom(START_SEED);
    const { waits, runnerSeconds } = simulate(app, {
      scaler: create({ startSeconds, slots, serviceSeconds }),
      slots,
      startSeconds: () => startSeconds * Math.exp(START_DEVIATION * random.normal()),
      serviceSeconds,
    });
    sums.cost += app.weight * runnerSeconds;
    sums.oracle += app.weight * oracleOf(app, startSeconds, slots);
    sums.requests += app.weight * waits.length;
    sums.within1s += app.weight * begunWithin(waits, 1);
    sums.withinStart += app.weight * begunWithin(waits, startSeconds + 1);
    sums.withinLongStart += begunWithin(waits, 1.5 * startSeconds + 1) / waits.length / apps.length;
  }
  return {
    trace,
    startSeconds,
    slots,
    cost: sums.cost / sums.oracle,
    within1s: sums.within1s / sums.requests,
    withinStart: sums.withinStart / sums.requests,
    withinLongStart: sums.withinLongStart,
  };
}

const oracles = new WeakMap<TracedApp, Map<string, number>>();

/** Remembers the oracle's figures, which each scaler is compared with. */
function oracleOf(app: TracedApp, startSeconds: number, slots: number): number {
  const known = oracles.get(app) ?? new Map<string, number>();
  oracles.set(app, known);
  const key = `${startSeconds} ${slots}`;
  const figure = known.get(key) ?? oracleRunnerSeconds(app, startSeconds, slots);
  known.set(key, figure);
  return figure;
}

function begunWithin(waits: Float64Array, seconds: number): number {
  return waits.reduce((count, wait) => count + (wait <= seconds + 1e-9 ? 1 : 0), 0);
}
