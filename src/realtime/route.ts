import type { RequestContext } from "../context.ts";
import type { CanBatch, RealtimeMode } from "../routes/signature.ts";
import type { Job } from "../dispatch/job.ts";
import type { Codec } from "./codec.ts";

/** A realtime route that is ready to run sessions. */
export interface RealtimeRoute {
  readonly methodName: string;
  readonly mode: RealtimeMode;
  readonly codec: Codec;
  /** Maximum number of queued inputs to keep; undefined for all. */
  readonly buffering: number | undefined;
  /** Idle timeout; undefined for no limit. */
  readonly sessionTimeoutMs: number | undefined;
  readonly maxBatchSize: number;
  readonly emitTimings: boolean;
  readonly canBatch: CanBatch | undefined;
  /** Validates a decoded input and fills in defaults. @throws InputValidationError */
  accept(value: unknown, context: RequestContext): unknown;
  /** Checks an output and removes fields that its schema does not have. @throws OutputValidationError */
  present(output: unknown, context: RequestContext): unknown;
  /** Whether `accept` and `present` may return promises: a schema's library may take time, and reading a file does. */
  readonly isLate?: boolean;
  /** Calls the handler. */
  call(context: RequestContext, input: unknown): unknown;
  /** Submits an input to the batches of all sessions; undefined if each session is handled separately. */
  readonly share: ((context: RequestContext, input: unknown, bytes: number) => Job<unknown>) | undefined;
  /** Runs code of the app, such as the next step of a generator, with the current request available to it. */
  within<T>(context: RequestContext, code: () => T): T;
}

/** Limits of a session, and the interval of pings. */
export interface SessionLimits {
  /** Maximum number of queued inputs without `buffering`. Default 1,024. */
  readonly maxWaitingInputs: number;
  /** Maximum sum of their bytes. Default 16 MiB. */
  readonly maxWaitingBytes: number;
  /** Interval of pings, in milliseconds. Two consecutive pings without an answer end the session. Default 30,000. */
  readonly heartbeatMs: number;
}

export const DEFAULT_SESSION_LIMITS: SessionLimits = {
  maxWaitingInputs: 1024,
  maxWaitingBytes: 16 * 1024 * 1024,
  heartbeatMs: 30_000,
};

/** The memory budget that all callers share. */
export interface SharedMemory {
  readonly maxBytes: number;
  /** Reserves memory. Returns false if there is not enough. */
  take(bytes: number): boolean;
  /** Counts memory that is in use already. */
  hold(bytes: number): void;
  free(bytes: number): void;
  hasRoom(bytes: number): boolean;
}

/** An unlimited budget, for sessions outside of a server. */
export const ENDLESS_MEMORY: SharedMemory = {
  maxBytes: Infinity,
  take: () => true,
  hold: () => {},
  free: () => {},
  hasRoom: () => true,
};

/** The counters of a route's sessions. */
export interface SessionCounts {
  received(): void;
  sent(): void;
  dropped(count: number): void;
  /** A session ended by the idle timeout. */
  timedOut(): void;
}
