/**
 * `servable/current`: the current request and app, without passing `ctx` along.
 *
 * Importing this module enables the tracking; it has no cost otherwise. Import it at the top of a file: requests that
 * started before the import are not tracked.
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { installContextStorage, type RequestContext } from "./context.ts";

const storage = installContextStorage(() => new AsyncLocalStorage());

/**
 * The context of the request whose handler is running, also after `await`. Undefined outside of a request, and in a
 * batch, which has several requests: see its `requests`.
 */
export function currentRequest(): RequestContext | undefined {
  return storage.getStore()?.request;
}

/** The app whose handler is running; undefined outside of a handler. */
export function currentApp<A extends object = object>(): A | undefined {
  return storage.getStore()?.app as A | undefined;
}
