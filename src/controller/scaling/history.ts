import { afterCrash, NO_CRASHES, type Crash, type Crashes } from "./crash-back-off.ts";

/**
 * The knowledge of the rule about one app in one environment: a plain value that the caller stores as JSON after each
 * observation, so that it survives restarts.
 */
export interface History {
  /** The end of the last observed second; null before the first. */
  readonly observedUntil: number | null;
  /** For each level k, at index k − 1: when at least k runners were last needed. */
  readonly lastNeeded: readonly number[];
  /** For each level: its last times of not being needed, in seconds, oldest first. */
  readonly gaps: readonly (readonly number[])[];
  /** The last start times of this revision, in seconds. */
  readonly startTimes: readonly number[];
  /** Their median; null before the first. */
  readonly startSeconds: number | null;
  /** The mean service time in seconds; null before the first request. */
  readonly serviceSeconds: number | null;
  /** The requests in that mean; 0 if it is that of the revision before. */
  readonly served: number;
  readonly crashes: Crashes;
}

/** Something that has happened. Each is reported once, in order. Moments are seconds of the snapshots' clock. */
export type Observation =
  | LoadObservation
  /** Requests that runners have answered. `seconds` is the sum of the times that runners worked on them. */
  | { readonly kind: "served"; readonly requests: number; readonly seconds: number }
  /** A runner has become ready. */
  | { readonly kind: "ready"; readonly at: number; readonly startedAt: number }
  | ({ readonly kind: "crashed" } & Crash)
  /** The engine had no capacity for a start. That is not a crash: nothing is learned from it. */
  | { readonly kind: "no-capacity" };

/** The load since the last observation of this kind, about a second ago. `LoadMeter` makes it. */
export interface LoadObservation {
  readonly kind: "load";
  /** When the gateways began to count: later than the last observation if they were restarted in between. */
  readonly since: number;
  readonly at: number;
  /** The highest and the lowest load since then. */
  readonly highest: number;
  readonly lowest: number;
  /** Whether a request or socket is there at the end. */
  readonly present: boolean;
  /** As in the snapshot: {@link slotsOf}. */
  readonly slots: number;
}

/** The history of an app that has never run. */
export const EMPTY_HISTORY: History = {
  observedUntil: null,
  lastNeeded: [],
  gaps: [],
  startTimes: [],
  startSeconds: null,
  serviceSeconds: null,
  served: 0,
  crashes: NO_CRASHES,
};

/** The start time that is assumed before one is measured. A guess that is too low costs less than one that is too high. */
const PRIOR_START_SECONDS = 15;
const PRIOR_SERVICE_SECONDS = 1;
const KEPT_GAPS = 64;
const KEPT_START_TIMES = 31;
/** The share of the lowest load of a second in the load that levels are computed from; the rest is the highest. Peaks of milliseconds count little. */
const LOWEST_SHARE = 0.6;
/** A level that is needed each second has observations this far apart at most; longer is a gap. */
const GAP_FROM_SECONDS = 1.5;
/** The smallest weight of a new request in the mean service time. */
const SERVICE_WEIGHT = 0.01;
/** Readings that join this closely leave no time without observation between them. */
const JOINT_SECONDS = 0.5;

/** The history after an observation. Does not change its argument. */
export function learn(history: History, observation: Observation): History {
  switch (observation.kind) {
    case "load":
      return learnLoad(history, observation);
    case "served":
      return observation.requests > 0 ? learnService(history, observation) : history;
    case "ready":
      return learnStart(history, observation.at - observation.startedAt);
    case "crashed":
      return { ...history, crashes: afterCrash(history.crashes, observation) };
    case "no-capacity":
      return history;
  }
}

/** The history with which a new revision begins: use and service time stay, start times and crashes were the old one's. */
export function forNewRevision(history: History): History {
  return { ...history, startTimes: [], startSeconds: null, served: 0, crashes: NO_CRASHES };
}

/** The usual time of a start in seconds, or the assumed one. */
export function startSeconds(history: History): number {
  return history.startSeconds ?? PRIOR_START_SECONDS;
}

/** The mean service time in seconds, or the assumed one. */
export function serviceSeconds(history: History): number {
  return history.serviceSeconds ?? PRIOR_SERVICE_SECONDS;
}

function learnLoad(history: History, observation: LoadObservation): History {
  const { since, at, highest, lowest, present, slots } = observation;
  const last = withoutBlindTime(history, since);
  const load = (1 - LOWEST_SHARE) * highest + LOWEST_SHARE * lowest;
  const needed = Math.max(present ? 1 : 0, Math.ceil(load / slots - 1e-9));
  if (needed === 0) return { ...history, observedUntil: at, lastNeeded: last };
  const lastNeeded = [...last];
  const gaps = [...history.gaps];
  for (let level = 0; level < needed; level++) {
    const gap = at - (last[level] ?? at);
    const known = gaps[level] ?? [];
    gaps[level] = gap > GAP_FROM_SECONDS ? [...known, gap].slice(-KEPT_GAPS) : known;
    lastNeeded[level] = at;
  }
  return { ...history, observedUntil: at, lastNeeded, gaps };
}

/** Time that nobody observed is not time without need: the moments of all levels are moved by it. */
function withoutBlindTime({ observedUntil, lastNeeded }: History, since: number): readonly number[] {
  const blind = observedUntil === null ? 0 : since - observedUntil;
  return blind > JOINT_SECONDS ? lastNeeded.map((last) => last + blind) : lastNeeded;
}

function learnStart(history: History, seconds: number): History {
  const startTimes = [...history.startTimes, seconds].slice(-KEPT_START_TIMES);
  const sorted = startTimes.toSorted((a, b) => a - b);
  return { ...history, startTimes, startSeconds: sorted[sorted.length >> 1] ?? null, crashes: NO_CRASHES };
}

function learnService(
  history: History,
  { requests, seconds }: { requests: number; seconds: number },
): History {
  const served = history.served + requests;
  const weight = Math.max(1 - (1 - SERVICE_WEIGHT) ** requests, requests / served);
  const before = history.serviceSeconds ?? 0;
  return { ...history, served, serviceSeconds: before + (seconds / requests - before) * weight };
}
