import type { AnyMethod } from "../routes/handler-types.ts";
import type { BaseServable } from "../servable/base-servable.ts";
import type { ServedSchemas, ServeFunctionOptions } from "./runtime.ts";

/**
 * Serves a function over HTTP at `POST /` until the signal is aborted.
 * @param own the schemas that it was defined with; undefined when it was not defined to be served
 * @throws StartupError when a port can't be had
 */
export async function serveFunction(
  handler: AnyMethod,
  own: ServedSchemas | undefined,
  { host, port, metricsPort, signal, onListening, schemas, timeoutMs, name }: ServeFunctionOptions,
): Promise<void> {
  const { runServable } = await import("../servable/base-servable.ts");
  const timeout = timeoutMs === undefined ? {} : { timeoutMs };
  const servable = await functionServable(handler, name, { ...(own ?? schemas), ...timeout });
  await runServable(servable, {
    host,
    port,
    metricsPort,
    metricsHost: host,
    signal,
    handleSignals: false,
    onListening: ({ url }) => onListening(url),
  });
}

/** A servable of one function. @param name the operation's, where the handler has none */
export async function functionServable(
  handler: AnyMethod,
  name: string,
  options: ServedSchemas & { readonly timeoutMs?: number },
): Promise<BaseServable> {
  // Only a function that is served pays for it.
  const { ServeWrapper } = await import("../servable/serve-wrapper.ts");
  return new ServeWrapper(named(handler, name) as never, options as never);
}

/** The handler under the name that it is exported by, where it has none of its own. */
function named(handler: AnyMethod, name: string): AnyMethod {
  if (handler.name !== "") return handler;
  const call = handler.bind(undefined as never);
  return Object.defineProperty(call, "name", { value: name });
}
