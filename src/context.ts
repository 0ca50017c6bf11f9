import type { AsyncLocalStorage } from "node:async_hooks";
import type { Logger } from "pino";

/** What a handler may know about the request it serves, beside its input. */
export interface RequestContext {
  /** From the header `x-fal-request-id`; a new UUID where there is none. */
  readonly requestId: string;
  /** The endpoint as the platform names it (`user/app/path`), from `x-fal-endpoint`. */
  readonly endpoint: string | undefined;
  /** The caller's wish for stored objects, from `x-fal-object-lifecycle-preference`; null for none or bad JSON. */
  readonly lifecyclePreference: Readonly<Record<string, unknown>> | null;
  /**
   * The request's headers, names in lower case. It belongs to this request alone and may be changed:
   * a new value of `x-fal-cdn-token` goes back to the caller in that response header.
   */
  readonly headers: Record<string, string | string[] | undefined>;
  /** The query string's parameters. */
  readonly query: Readonly<Record<string, string | string[] | undefined>>;
  /** Aborts when the caller leaves, the endpoint's timeout passes or the server is cut off. */
  readonly signal: AbortSignal;
  /** A logger that puts the request id on every line. */
  readonly log: Logger;
  /** Sets a header of the answer. On a stream: before the first item. */
  setHeader(name: string, value: string): void;
}

/** What a batched method may know beside its inputs. */
export interface BatchContext {
  /** The context of each input's request, in the order of the inputs. Each has a signal of its own. */
  readonly requests: readonly RequestContext[];
  /** Aborts when nobody waits for any of the results any more, or the server is cut off. */
  readonly signal: AbortSignal;
  /** A logger for what concerns the batch as a whole. */
  readonly log: Logger;
}

/** Reads the header `x-fal-object-lifecycle-preference`: an object, or null for anything else. */
export function parseLifecyclePreference(text: string | undefined): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text ?? "null");
    return typeof value === "object" && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** What {@link ContextStorage} holds while a handler runs. */
export interface RequestScope {
  /** Undefined in a batch, which belongs to no single request. */
  readonly request: RequestContext | undefined;
  readonly app: object;
}

/** Carries the current request through `await`s. */
export type ContextStorage = AsyncLocalStorage<RequestScope>;

// Node 20 pays 8 to 10 % of its throughput for a running AsyncLocalStorage. So there is none until somebody
// imports "servable/current"; the slot is global, so that two installed copies share it.
const SLOT: unique symbol = Symbol.for("servable.context.storage");
const slots = globalThis as { [SLOT]?: ContextStorage };

/** Runs code of an app so that it can ask for the current request; in a batch there is none. */
export function runInScope<T>(request: RequestContext | undefined, app: object, code: () => T): T {
  const storage = slots[SLOT];
  return storage === undefined ? code() : storage.run({ request, app }, code);
}

/** Gives this process its storage; the first caller's stays. */
export function installContextStorage(create: () => ContextStorage): ContextStorage {
  return (slots[SLOT] ??= create());
}
