import type { TSchema } from "typebox";
import type { ResolvedDispatchOptions } from "./dispatch-options.ts";
import type { InputLimits } from "./input-limits.ts";

/** How a platform probes the endpoint marked as the health check. Defaults are the platform's. */
export interface HealthCheckOptions {
  /** Failures are ignored for this long after the start, in seconds. Default 30. */
  startPeriodSeconds?: number;
  /** One probe may take this long, in seconds. Default 5. */
  timeoutSeconds?: number;
  /** So many failures in a row mean unhealthy. Default 3. */
  failureThreshold?: number;
  /** Probe every 15 seconds; false: only when an answer asks for it. Default true. */
  callRegularly?: boolean;
}

/** How inputs and outputs of a realtime session relate. */
export type RealtimeMode = "unary" | "server_streaming" | "client_streaming" | "bidi";

/** Turns an output into a frame: text for a text frame, bytes for a binary one. */
export type EncodeMessage = (message: unknown) => string | Uint8Array;

/** Turns a frame into an input. What it throws is told to the caller as a message that can't be read. */
export type DecodeMessage = (frame: string | Uint8Array) => unknown;

/** Whether the next waiting input may join a batch that starts with `first` and holds `length` inputs so far. */
export type CanBatch = (first: unknown, next: unknown, length: number) => boolean;

/** What a decorator records about a method: everything needed to serve and to document it. */
export interface RouteSignature {
  /** Starts with "/". */
  readonly path: string;
  /** The name of the decorated method. */
  readonly methodName: string;
  /** False for `POST path`; true for a socket. */
  readonly isWebsocket: boolean;
  /** The schema of the body; absent when the method takes no input. */
  readonly input: TSchema | undefined;
  /** The schema of the result, or of one item of a stream; absent when results go out unchecked. */
  readonly output: TSchema | undefined;
  /** The method yields items, sent as server-sent events. */
  readonly stream: boolean;
  /** The limit of a caller's wait; of the wait for each item on a stream. In milliseconds; absent: none. */
  readonly timeoutMs: number | undefined;
  /** This endpoint tells a platform whether the runner is healthy. */
  readonly healthCheck: HealthCheckOptions | undefined;
  /** One line for the docs; absent: made from the method's name. */
  readonly summary: string | undefined;
  /** Markdown for the docs. */
  readonly description: string | undefined;
  /** How large an input may be, where the route says so itself. */
  readonly limits?: InputLimits;
  /** When the method runs, where a queue, a limit or workers are between it and its callers. */
  readonly dispatch?: ResolvedDispatchOptions;
  /** Absent on HTTP routes and raw websockets. */
  readonly realtimeMode?: RealtimeMode;
  /** What frames hold: "application/msgpack" unless said otherwise. */
  readonly contentType?: string;
  /** So many waiting inputs are kept, the newest; absent: all, up to a high bound. */
  readonly buffering?: number | undefined;
  /** A session without an input for so many seconds ends; absent: never. */
  readonly sessionTimeout?: number | undefined;
  /** So many waiting inputs are handled in one call. 1: each by itself. */
  readonly maxBatchSize?: number;
  /** Each result is followed by how long it took. */
  readonly emitTimings?: boolean;
  readonly encodeMessage?: EncodeMessage | undefined;
  readonly decodeMessage?: DecodeMessage | undefined;
  readonly canBatch?: CanBatch | undefined;
}

/** A collected route's method, bound to its app. */
export type RouteHandler = (...args: readonly unknown[]) => unknown;

/** How a route is named in messages: `POST /path`. */
export function describeRoute(route: Pick<RouteSignature, "path" | "isWebsocket">): string {
  return `${route.isWebsocket ? "websocket" : "POST"} ${route.path}`;
}
