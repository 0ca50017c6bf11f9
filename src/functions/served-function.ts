import type { EndpointOptions } from "../routes/endpoint.ts";
import type { AnyMethod, SchemaObject } from "../routes/handler-types.ts";
import type { ServeFunctionOptions } from "./guest.ts";

/** The schemas of a served function. */
export type ServedOptions = EndpointOptions<SchemaObject | undefined, SchemaObject | undefined, boolean>;

/**
 * Serves a function over HTTP at `POST /` until the signal is aborted.
 * @throws StartupError when a port can't be had
 */
export async function serveFunction(
  handler: AnyMethod,
  options: ServedOptions,
  { host, port, metricsPort, signal, onListening }: ServeFunctionOptions,
): Promise<void> {
  // Only a function that is served pays for it.
  const { ServeWrapper } = await import("../servable/serve-wrapper.ts");
  const { runServable } = await import("../servable/base-servable.ts");
  const servable = new ServeWrapper(handler as never, options as never);
  await runServable(servable, {
    host,
    port,
    metricsPort,
    signal,
    handleSignals: false,
    onListening: ({ url }) => onListening(url),
  });
}
