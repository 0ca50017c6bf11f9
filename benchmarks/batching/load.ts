import type { ScheduleOptions } from "./schedule.ts";

/** Requests on a fixed schedule, independent of their responses. */
export interface OpenLoad extends ScheduleOptions {
  readonly kind: "open";
  readonly url: string;
  /** The maximum wait for responses after the last request, in milliseconds. */
  readonly settleMs: number;
  /** Connections opened before the start. */
  readonly connections: number;
}

/** Clients that each send their next request as soon as they have a response. */
export interface ClosedLoad {
  readonly kind: "closed";
  readonly url: string;
  readonly clients: number;
  readonly durationMs: number;
}

export type LoadCommand = OpenLoad | ClosedLoad;

/** The outcome of every request of a run, as columns with one entry per request. */
export interface Samples {
  /** The start of the run, in milliseconds of the monotonic clock. All other times are relative to it. */
  readonly startedMs: number;
  /** The due time of the request; in a closed loop, the time it was sent. */
  readonly dueMs: Float64Array;
  /** The time from then until its response was read, or until the end of the run without one. */
  readonly latencyMs: Float64Array;
  /** The delay with which the generator sent it. */
  readonly lateMs: Float64Array;
  /** HTTP status; 0 without a response. */
  readonly status: Uint16Array;
  /** 1 if the response had a Retry-After. */
  readonly retryAfter: Uint8Array;
}
