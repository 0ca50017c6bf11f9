import type { AnyMethod } from "../routes/handler-types.ts";
import type { BaseServable } from "../servable/base-servable.ts";
import type { ServedSchemas, ServingOptions } from "./runtime.ts";
import { omitUndefined } from "../settings/defined-fields.ts";

/**
 * Serves a function over HTTP at `POST /` until the signal is aborted.
 * @param own the schemas of its definition; undefined if it was not defined with `serve: true`
 * @throws StartupError if a port can't be opened
 */
export async function serveFunction(
  handler: AnyMethod,
  own: ServedSchemas | undefined,
  { host, port, metricsPort, signal, onListening, schemas, timeoutMs, name }: ServingOptions,
): Promise<void> {
  const { runServable } = await import("../servable/base-servable.ts");
  const servable = await functionServable(handler, name, {
    ...(own ?? schemas),
    ...omitUndefined({ timeoutMs }),
  });
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

/** A servable of one function. @param name the operation's name if the handler has none */
export async function functionServable(
  handler: AnyMethod,
  name: string,
  options: ServedSchemas & { readonly timeoutMs?: number },
): Promise<BaseServable> {
  // Loaded late: functions that are not served do without.
  const { ServeWrapper } = await import("../servable/serve-wrapper.ts");
  return new ServeWrapper(named(handler, name) as never, options as never);
}

/** The handler. If it has no name, it gets the name of its export. */
function named(handler: AnyMethod, name: string): AnyMethod {
  if (handler.name !== "") return handler;
  const call = handler.bind(undefined as never);
  return Object.defineProperty(call, "name", { value: name });
}
