import type { ScheduleOptions } from "./schedule.ts";

/** Requests on a schedule of their own, whatever becomes of them. */
export interface OpenLoad extends ScheduleOptions {
  readonly kind: "open";
  readonly url: string;
  /** How long answers are waited for after the last request, in milliseconds. */
  readonly settleMs: number;
  /** Connections opened before the start. */
  readonly connections: number;
}

/** Clients that each send their next request as soon as they have an answer. */
export interface ClosedLoad {
  readonly kind: "closed";
  readonly url: string;
  readonly clients: number;
  readonly durationMs: number;
}

export type LoadCommand = OpenLoad | ClosedLoad;

/** What became of every request of a run: one row of these columns each. */
export interface Samples {
  /** When the run started, in milliseconds of the monotonic clock. All other times count from then. */
  readonly startedMs: number;
  /** When the request was due; in a closed loop, when it was sent. */
  readonly dueMs: Float64Array;
  /** From then until its answer was read; until the end of the run where none came. */
  readonly latencyMs: Float64Array;
  /** By how much the generator sent it too late. */
  readonly lateMs: Float64Array;
  /** HTTP status; 0 without an answer. */
  readonly status: Uint16Array;
  /** 1 where the answer had a Retry-After. */
  readonly retryAfter: Uint8Array;
}
