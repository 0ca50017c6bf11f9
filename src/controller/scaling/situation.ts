import { serviceSeconds, startSeconds } from "./history.ts";
import { slotsOf, type Demand, type Runner, type Snapshot } from "./snapshot.ts";

/** A snapshot whose demand is known, with the counts that every rule needs. */
export interface Situation {
  readonly snapshot: Snapshot;
  readonly demand: Demand;
  readonly slots: number;
  readonly ready: number;
  readonly starting: readonly Runner[];
  readonly startSeconds: number;
  readonly serviceSeconds: number;
}

/** The result of a rule. */
export interface Wish {
  /** The number of runners for the demand, before buffers and bounds. */
  readonly wanted: number;
  /** Says why, with numbers: a part of the decision's reason. */
  because(): string;
  /** The shortest time that a runner above target is idle before it is stopped, in seconds. */
  readonly idleSeconds: number;
  /** Whether starts above target are cancelled when no request waits. */
  readonly cancelsStarts: boolean;
}

/** The situation of a snapshot. @param demand the snapshot's, or a substitute where it is unknown */
export function situationOf(snapshot: Snapshot, demand: Demand): Situation {
  const { runners, history } = snapshot;
  return {
    snapshot,
    demand,
    slots: slotsOf(snapshot),
    ready: runners.filter(({ state }) => state === "ready").length,
    starting: runners.filter(({ state }) => state === "starting"),
    startSeconds: startSeconds(history),
    serviceSeconds: serviceSeconds(history),
  };
}
