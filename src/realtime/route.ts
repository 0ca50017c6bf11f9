import type { RequestContext } from "../context.ts";
import type { CanBatch, RealtimeMode } from "../routes/signature.ts";
import type { Job } from "../dispatch/job.ts";
import type { Codec } from "./codec.ts";

/** A realtime route, ready to run sessions. */
export interface RealtimeRoute {
  readonly methodName: string;
  readonly mode: RealtimeMode;
  readonly codec: Codec;
  /** Keep so many waiting inputs; undefined: all. */
  readonly buffering: number | undefined;
  /** Undefined: a session may be silent for ever. */
  readonly sessionTimeoutMs: number | undefined;
  readonly maxBatchSize: number;
  readonly emitTimings: boolean;
  readonly canBatch: CanBatch | undefined;
  /** Validates a decoded input, fills in its defaults. @throws InputValidationError */
  accept(value: unknown): unknown;
  /** What of an output goes out: fields that the schema does not know stay behind. @throws OutputValidationError */
  present(output: unknown): unknown;
  /** Calls the handler. */
  call(context: RequestContext, input: unknown): unknown;
  /** Has an input handled together with those of other sessions; absent where each session is by itself. */
  readonly share: ((context: RequestContext, input: unknown, bytes: number) => Job<unknown>) | undefined;
  /** Runs code of the app, such as a generator's next step, so that it can ask for the current request. */
  within<T>(context: RequestContext, code: () => T): T;
}

/** What one session may hold, and how its connection is watched. */
export interface SessionLimits {
  /** Inputs that may wait where `buffering` does not say. Default 1,024. */
  readonly maxWaitingInputs: number;
  /** Their bytes. Default 16 MiB. */
  readonly maxWaitingBytes: number;
  /** A ping goes out this often; two in a row without an answer end the session. Default 30,000. */
  readonly heartbeatMs: number;
}

export const DEFAULT_SESSION_LIMITS: SessionLimits = {
  maxWaitingInputs: 1024,
  maxWaitingBytes: 16 * 1024 * 1024,
  heartbeatMs: 30_000,
};

/** The memory that all callers share. */
export interface SharedMemory {
  readonly maxBytes: number;
  /** Takes room, if there is some. */
  take(bytes: number): boolean;
  /** Counts what is there already. */
  hold(bytes: number): void;
  free(bytes: number): void;
  hasRoom(bytes: number): boolean;
}

/** Memory without a bound, for sessions that stand alone. */
export const ENDLESS_MEMORY: SharedMemory = {
  maxBytes: Infinity,
  take: () => true,
  hold: () => {},
  free: () => {},
  hasRoom: () => true,
};

/** Counts what sessions of a route do. */
export interface SessionCounts {
  received(): void;
  sent(): void;
  dropped(count: number): void;
  /** A session ends for lack of inputs. */
  timedOut(): void;
}
