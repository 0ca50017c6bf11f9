import type { History } from "./history.ts";

/**
 * The settings of an app that bound the rule. Counts are runners, durations are seconds.
 * `minConcurrency` must not be above `maxConcurrency`.
 */
export interface ScalingSettings {
  /**
   * The rule: `balanced` learns how long an unused runner is worth its cost, `eager` waits less for more cost, `thrifty`
   * waits more for less, and `documented` is the rule of fal's documentation, which learns nothing.
   */
  readonly scaling: "balanced" | "eager" | "thrifty" | "documented";
  /** The shortest time that an idle runner is kept; `auto` leaves that to the rule. */
  readonly keepAlive: "auto" | number;
  readonly minConcurrency: number;
  readonly maxConcurrency: number;
  /** Runners beyond demand. */
  readonly concurrencyBuffer: number;
  /** Runners beyond demand, as a percentage of demand. The larger buffer is used. */
  readonly concurrencyBufferPerc: number;
  /** Requests that have waited less than this start no runner. */
  readonly scalingDelay: number;
  /** The requests that a runner serves at a time. */
  readonly maxMultiplexing: number;
}

/** The defaults of the platform. */
export const DEFAULT_SETTINGS: ScalingSettings = {
  scaling: "balanced",
  keepAlive: "auto",
  minConcurrency: 0,
  maxConcurrency: 2,
  concurrencyBuffer: 0,
  concurrencyBufferPerc: 0,
  scalingDelay: 0,
  maxMultiplexing: 1,
};

/** A runner of the app's active revision. */
export interface Runner {
  readonly id: string;
  readonly state: "starting" | "ready" | "draining";
  /** When its start began. */
  readonly startedAt: number;
  /** Requests and sockets on it. */
  readonly requests: number;
  /** Since when it has none; for a starting runner without meaning. */
  readonly idleSince: number;
}

/** The requests of an app at one moment, as `LoadMeter` reads them. */
export interface Demand {
  readonly at: number;
  /** Requests on runners, open sockets included. */
  readonly running: number;
  readonly waiting: number;
  /** The waiting requests that have waited for `scalingDelay` or longer. */
  readonly overdue: number;
  /** The wait of the oldest waiting request, in seconds; 0 if none waits. */
  readonly oldestWait: number;
  /**
   * The load as if nobody had waited: running requests that never waited, sockets, and requests that had to wait and
   * arrived less than a service time ago. A long queue does not inflate it.
   */
  readonly load: number;
}

/** All that a decision depends on. Moments are seconds of one clock. */
export interface Snapshot {
  readonly now: number;
  readonly settings: ScalingSettings;
  /** The measured capacity of a runner where a batching app serves more at a time than `maxMultiplexing` says. */
  readonly measuredSlots?: number;
  /** Runners of the active revision alone: others take none of its requests. */
  readonly runners: readonly Runner[];
  /** Undefined if the gateways have not reported. */
  readonly demand: Demand | undefined;
  readonly history: History;
}

/** The numbers of a decision, to be stored beside its reason. */
export interface DecisionNumbers {
  readonly ready: number;
  readonly starting: number;
  readonly running: number;
  readonly waiting: number;
  readonly load: number;
  readonly slots: number;
  /** The usual time of a start, in seconds. */
  readonly startSeconds: number;
  /** The mean time that a runner works on a request, in seconds. */
  readonly serviceSeconds: number;
  /** The runners that the rule wants, before the bounds. */
  readonly wanted: number;
}

/** A runner to stop, with the reason. */
interface Stop {
  readonly runner: string;
  readonly reason: string;
}

/** How many runners an app should have, and the steps to it. */
export interface Decision {
  readonly target: number;
  readonly start: number;
  /** Idle runners, and starting ones that are not needed any more. A runner with a request or socket is never among them. */
  readonly stop: readonly Stop[];
  readonly reason: string;
  readonly numbers: DecisionNumbers;
}

/** The requests that a runner serves at a time. */
export function slotsOf({ settings, measuredSlots = 0 }: Snapshot): number {
  return Math.max(1, settings.maxMultiplexing, measuredSlots);
}
