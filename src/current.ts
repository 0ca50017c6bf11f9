/**
 * `servable/current`: the request and the app that the running code belongs to, without passing `ctx` along.
 *
 * Importing this module is what turns the tracking on: a process that never imports it pays nothing. Import it
 * at the top of a file; requests that started before the import are not tracked.
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { installContextStorage, type RequestContext } from "./context.ts";

const storage = installContextStorage(() => new AsyncLocalStorage());

/**
 * The context of the request whose handler called this, through any number of `await`s; undefined outside of one, and in
 * a batch, which has many: see its `requests`.
 */
export function currentRequest(): RequestContext | undefined {
  return storage.getStore()?.request;
}

/** The app whose handler called this; undefined outside of one. */
export function currentApp<A extends object = object>(): A | undefined {
  return storage.getStore()?.app as A | undefined;
}
