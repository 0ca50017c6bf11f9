import type { AsyncLocalStorage } from "node:async_hooks";
import type { Logger } from "pino";
import type { HeaderValue } from "./answer-header.ts";
import type { Cookies } from "./cookies.ts";

/** The types of those parts of a request that its endpoint has a schema for, and of its caller. */
export interface RequestParts {
  /** The parameters of the path. */
  params?: unknown;
  /** The parameters of the query string. */
  query?: unknown;
  /** The declared headers. */
  headers?: unknown;
  /** The caller as `authenticate()` returns it. */
  caller?: unknown;
}

/** The parameters of a query string without a schema. */
export type RawQuery = Readonly<Record<string, string | string[] | undefined>>;

/** The headers of a request, with names in lower case. */
export type RawHeaders = Record<string, string | string[] | undefined>;

/** The type of a part, if it has one. */
type PartOf<Parts, Name extends keyof RequestParts, Otherwise> = Name extends keyof Parts
  ? Parts[Name]
  : Otherwise;

/**
 * The context of a request: everything that a handler can know about the request, except its input.
 *
 * @example
 * ```ts
 * get(ctx: RequestContext<{ params: Static<typeof Params>; query: Static<typeof Query> }>): Item { … }
 * ```
 */
export type RequestContext<Parts extends RequestParts = {}> = TypedContext<
  PartOf<Parts, "params", Readonly<Record<string, string>>>,
  PartOf<Parts, "query", RawQuery>,
  "headers" extends keyof Parts ? Parts["headers"] & { [name: string]: unknown } : RawHeaders,
  PartOf<Parts, "caller", unknown>
>;

/**
 * {@link RequestContext} with the type of each part. Without it, the compiler would compare the types of all parts
 * together, and find an endpoint's context unlike a context without parts.
 */
interface TypedContext<Params, Query, Headers, Caller> {
  /** From the header `x-fal-request-id`; a new UUID if it is missing. */
  readonly requestId: string;
  /** The endpoint as the platform names it (`user/app/path`), from `x-fal-endpoint`. */
  readonly endpoint: string | undefined;
  /**
   * The caller's preference for stored objects, from `x-fal-object-lifecycle-preference`; null if missing or invalid.
   */
  readonly lifecyclePreference: Readonly<Record<string, unknown>> | null;
  /**
   * The request's headers, with names in lower case. The headers in the endpoint's `headers` schema have the
   * types of the schema. The object may be changed: a new value of `x-fal-cdn-token` is returned to the caller in the
   * response header of that name.
   */
  readonly headers: Headers;
  /** The query string's parameters: as the endpoint's `query` schema describes them, without one as text. */
  readonly query: Query;
  /** The request's cookies, from its header `cookie`. */
  readonly cookies: Cookies;
  /** The parameters of the path: as the endpoint's `params` schema describes them, without one as text. */
  readonly params: Params;
  /** The caller as `authenticate()` returned it; undefined without `authenticate()`, and on public endpoints. */
  readonly caller: Caller;
  /** Aborts when the caller disconnects, at the endpoint's timeout, and when the server stops waiting for requests. */
  readonly signal: AbortSignal;
  /** A logger that adds the request id to each line. */
  readonly log: Logger;
  /**
   * Sets the status of the answer, from 200 to 599; on a stream before the first item. An error has its own status.
   * Default: the endpoint's `status`, otherwise 200.
   */
  status(code: number): void;
  /**
   * Sets a response header; on a stream before the first item. A list is sent as several lines. A second call replaces
   * the value, except of `set-cookie`, which is added.
   */
  setHeader(name: string, value: HeaderValue): void;
}

/** The context of a batch: everything that a batched method can know about its requests, except their inputs. */
export type BatchContext<Parts extends RequestParts = {}> = TypedBatch<RequestContext<Parts>>;

interface TypedBatch<Request> {
  /** The context of each input's request, in the order of the inputs. Each has its own signal. */
  readonly requests: readonly Request[];
  /** Aborts when no caller waits for a result any more, and when the server stops waiting for requests. */
  readonly signal: AbortSignal;
  /** A logger for the batch as a whole. */
  readonly log: Logger;
}

/** Parses the header `x-fal-object-lifecycle-preference`. Returns null unless it is an object. */
export function parseLifecyclePreference(text: string | undefined): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text ?? "null");
    return typeof value === "object" && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** The value of {@link ContextStorage} while a handler runs. */
interface RequestScope {
  /** Undefined in a batch, which belongs to several requests. */
  readonly request: RequestContext | undefined;
  readonly app: object;
}

/** Carries the current request through `await`s. */
export type ContextStorage = AsyncLocalStorage<RequestScope>;

// On Node 20, an AsyncLocalStorage costs 8 to 10 % of the throughput, so it is created only when "servable/current" is
// imported. The slot is global: two installed copies share it.
const SLOT: unique symbol = Symbol.for("servable.context.storage");
const slots = globalThis as { [SLOT]?: ContextStorage };

/** Runs code with the span of a request as the current one. */
type RunWithSpan = <T>(request: RequestContext, code: () => T) => T;
let runWithSpan: RunWithSpan | undefined;

/** Makes {@link runInScope} run code with the span of its request, once spans are recorded in this process. */
export function useSpans(run: RunWithSpan): void {
  runWithSpan = run;
}

/** Runs code of an app with the current request available to it; a batch has none. */
export function runInScope<T>(request: RequestContext | undefined, app: object, code: () => T): T {
  const storage = slots[SLOT];
  if (runWithSpan !== undefined && request !== undefined) {
    return runWithSpan(request, storage === undefined ? code : () => storage.run({ request, app }, code));
  }
  return storage === undefined ? code() : storage.run({ request, app }, code);
}

/** Whether code of an app has to run by {@link runInScope}. Otherwise a direct call does the same, without a closure. */
export function needsScope(): boolean {
  return slots[SLOT] !== undefined || runWithSpan !== undefined;
}

/** Creates the storage of this process unless there is one. */
export function installContextStorage(create: () => ContextStorage): ContextStorage {
  return (slots[SLOT] ??= create());
}
