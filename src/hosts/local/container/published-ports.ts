import type { Options } from "../../../functions/options.ts";
import type { PublishedPort } from "./run-arguments.ts";

/** Where a served function listens in its container, if any port of this machine will do. */
const INNER_PORTS = [8080, 9090] as const;

/**
 * The ports of a function's container: the exposed one first, then that of the metrics. A function that is not served
 * listens by itself, on the ports that it names.
 */
export function publishedPorts(options: Options): readonly PublishedPort[] {
  const { serve, exposedPort, metricsPort } = options.gateway;
  if (serve !== true) {
    const named = new Set([exposedPort ?? 0, metricsPort ?? 0]);
    return [...named].filter((port) => port > 0).map((port) => ({ inner: port, outer: port }));
  }
  const outer = [options.getExposedPort() ?? 0, options.getMetricsPort() ?? 0];
  const taken = new Set(outer);
  return outer.map((port, place) => {
    let inner = port === 0 ? (INNER_PORTS[place] as number) : port;
    while (port === 0 && taken.has(inner)) inner++;
    taken.add(inner);
    return { inner, outer: port };
  });
}

/** Whether two of these containers can't run at a time: both would have the same port of this machine. */
export function excludesOthers(ports: readonly PublishedPort[]): boolean {
  return ports.some(({ outer }) => outer !== 0);
}
