import type { TSchema } from "typebox";
import type { BodyKind } from "./body-kind.ts";
import type { ResolvedDispatchOptions } from "./dispatch-options.ts";
import type { InputLimits } from "./input-limits.ts";

/** How a platform probes the health check endpoint. The platform sets the defaults. */
export interface HealthCheckOptions {
  /** Time after the start during which failures are ignored, in seconds. Default 30. */
  startPeriodSeconds?: number;
  /** Maximum time of a probe, in seconds. Default 5. */
  timeoutSeconds?: number;
  /** Number of consecutive failures after which the runner is unhealthy. Default 3. */
  failureThreshold?: number;
  /** Whether to probe every 15 seconds; false: only when an answer asks for it. Default true. */
  callRegularly?: boolean;
}

/** The methods that an endpoint can have. HEAD is answered wherever GET is, and OPTIONS everywhere. */
export type HttpMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** How the inputs and outputs of a realtime session relate. */
export type RealtimeMode = "unary" | "server_streaming" | "client_streaming" | "bidi";

/** Converts an output to a frame: a string for a text frame, bytes for a binary one. */
export type EncodeMessage = (message: unknown) => string | Uint8Array;

/** Converts a frame to an input. If it throws, the caller is informed that the message cannot be read. */
export type DecodeMessage = (frame: string | Uint8Array) => unknown;

/** Whether the next waiting input may join a batch that starts with `first` and holds `length` inputs so far. */
export type CanBatch = (first: unknown, next: unknown, length: number) => boolean;

/** The record of a decorated method: all that is needed to serve and to document it. */
export interface RouteSignature {
  /** Starts with "/". A segment that starts with ":" is a parameter: `/items/:id`. */
  readonly path: string;
  /** The name of the decorated method. */
  readonly methodName: string;
  /** False for an endpoint; true for a socket. */
  readonly isWebsocket: boolean;
  /** The method of an endpoint. Default "POST". */
  readonly method?: HttpMethod;
  /** The schema of the path's parameters; without one, they are text. */
  readonly params?: TSchema;
  /** The schema of the query string's parameters; without one, they are text. */
  readonly query?: TSchema;
  /** The schema of the declared headers; without one, all are text. */
  readonly headers?: TSchema;
  /** The status of a successful answer. Default 200. */
  readonly status?: number;
  /** Whether the route is open to callers that `authenticate()` would refuse. Default false. */
  readonly isPublic?: boolean;
  /** The schema of the body; undefined if the method takes no input. */
  readonly input: TSchema | undefined;
  /** The schema of the result, or of an item of a stream; undefined if results are not checked. */
  readonly output: TSchema | undefined;
  /** The schema of a stream's item where the method may also return a single result; absent: not checked. */
  readonly item?: TSchema;
  /** Whether the method yields items, which are sent as server-sent events. "optional": it decides at each call. */
  readonly stream: boolean | "optional";
  /** Maximum time until the answer, or until each item of a stream, in milliseconds; undefined for no limit. */
  readonly timeoutMs: number | undefined;
  /** Set if this endpoint is the health check of the runner. */
  readonly healthCheck: HealthCheckOptions | undefined;
  /** One line for the docs. Default: derived from the method's name. */
  readonly summary: string | undefined;
  /** Markdown for the docs. */
  readonly description: string | undefined;
  /** Limits of the input's size, if the route sets any. */
  readonly limits?: InputLimits;
  /** How the body is read; absent for JSON. */
  readonly body?: BodyKind;
  /** Options of the queue, limits and workers, if the route has any. */
  readonly dispatch?: ResolvedDispatchOptions;
  /** Absent on HTTP routes and raw websockets. */
  readonly realtimeMode?: RealtimeMode;
  /** Format of frames. Default "application/msgpack". */
  readonly contentType?: string;
  /** Maximum number of queued inputs; older ones are dropped. Undefined: all, up to the session's limits. */
  readonly buffering?: number | undefined;
  /** Maximum time without an input, in seconds; undefined for no limit. */
  readonly sessionTimeout?: number | undefined;
  /** Maximum number of queued inputs handled in one call. */
  readonly maxBatchSize?: number;
  /** Whether a message with the timing follows each result. */
  readonly emitTimings?: boolean;
  readonly encodeMessage?: EncodeMessage | undefined;
  readonly decodeMessage?: DecodeMessage | undefined;
  readonly canBatch?: CanBatch | undefined;
}

/** The schema of the items of a route's stream; undefined if there is none, or the route has no stream. */
export function itemSchemaOf(route: Pick<RouteSignature, "stream" | "output" | "item">): TSchema | undefined {
  return route.stream === true ? route.output : route.item;
}

/** The method of a route, bound to its app. */
export type RouteHandler = (...args: readonly unknown[]) => unknown;

/** The name of a route in messages: `POST /path`. */
export function describeRoute(route: Pick<RouteSignature, "path" | "isWebsocket" | "method">): string {
  return `${route.isWebsocket ? "websocket" : methodOf(route)} ${route.path}`;
}

/** Whether callers that the app can't identify may call a route: if it is public, or what a platform probes. */
export function isOpen(route: Pick<RouteSignature, "isPublic" | "healthCheck">): boolean {
  return route.isPublic === true || route.healthCheck !== undefined;
}

/** The method of an endpoint. */
export function methodOf(route: Pick<RouteSignature, "method">): HttpMethod {
  return route.method ?? "POST";
}
