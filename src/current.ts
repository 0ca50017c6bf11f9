/**
 * `servable/current`: the current request and app, without passing `ctx` along.
 *
 * Importing this module enables the tracking; it has no cost otherwise. Import it at the top of a file: requests that
 * started before the import are not tracked.
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { installContextStorage, type RequestContext, type RequestParts } from "./context.ts";

const storage = installContextStorage(() => new AsyncLocalStorage());

/**
 * The context of the request whose handler is running, also after `await`. Undefined outside of a request, and in a
 * batch, which has several requests: see its `requests`. The type of its parts can't be checked, because any endpoint
 * may be running: give it where only the endpoints that have these parts call.
 *
 * @example
 * ```ts
 * const user = currentRequest<{ caller: User }>()?.caller;
 * ```
 */
export function currentRequest<Parts extends RequestParts = {}>(): RequestContext<Parts> | undefined {
  return storage.getStore()?.request as RequestContext<Parts> | undefined;
}

/** The app whose handler is running; undefined outside of a handler. */
export function currentApp<A extends object = object>(): A | undefined {
  return storage.getStore()?.app as A | undefined;
}
