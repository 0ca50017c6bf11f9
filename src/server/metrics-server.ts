import { createServer, type Server } from "node:http";
import type { Metric } from "prom-client";
import { listen } from "./listen.ts";
import { DURATION_BUCKETS, type RouteMetrics, type ServerMetrics } from "./metrics.ts";

interface Sample {
  metricName?: string;
  labels: Record<string, string | number>;
  value: number;
}

/** Turns the counters of a server into the text that Prometheus reads. */
export async function createMetricsRenderer(metrics: ServerMetrics): Promise<() => Promise<string>> {
  const { collectDefaultMetrics, Gauge, register, Registry } = await import("prom-client");
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: "fal_app_info",
    help: "The app's version.",
    labelNames: ["version"],
    registers: [registry],
  }).set({ version: metrics.version }, 1);
  const add = (name: string, help: string, type: string, samples: () => Sample[]): void => {
    // The registry asks a metric for its samples when it is scraped; this is all it needs of one.
    const metric = {
      name,
      help,
      type,
      aggregator: "sum",
      get: async () => ({ name, help, type, values: samples() }),
    };
    registry.registerMetric(metric as unknown as Metric);
  };
  add("http_requests_total", "Requests answered.", "counter", () => metrics.routes.flatMap(countSamples));
  add("http_request_duration_seconds", "Time from the parsed request to its answer.", "histogram", () =>
    metrics.routes.flatMap(durationSamples),
  );
  add("http_requests_in_progress", "Requests being handled.", "gauge", () =>
    metrics.routes.map((route) => ({ labels: labelsOf(route), value: route.inProgress })),
  );
  // What the app itself registers with prom-client is served as well.
  return async () => `${await registry.metrics()}\n${await register.metrics()}`;
}

/** Serves `GET /metrics` on a port of its own. Port 0 takes any. */
export async function startMetricsServer(
  metrics: ServerMetrics,
  host: string,
  port: number,
): Promise<Server> {
  const render = await createMetricsRenderer(metrics);
  const server = createServer((request, response) => {
    if (
      request.url?.split("?")[0] !== "/metrics" ||
      (request.method !== "GET" && request.method !== "HEAD")
    ) {
      response.writeHead(404, { "content-type": "application/json" }).end('{"detail":"Not Found"}');
      return;
    }
    render().then(
      (text) =>
        response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await listen(server, host, port, "metrics port");
  return server;
}

function labelsOf(route: RouteMetrics): Record<string, string | number> {
  return { app_name: "fal", method: route.method, path: route.path };
}

function countSamples(route: RouteMetrics): Sample[] {
  return [...route.tallies].map(([status, tally]) => ({
    labels: { ...labelsOf(route), status_code: status },
    value: tally.count,
  }));
}

function durationSamples(route: RouteMetrics): Sample[] {
  const name = "http_request_duration_seconds";
  return [...route.tallies].flatMap(([status, tally]) => {
    const labels = { ...labelsOf(route), status_code: status };
    let below = 0;
    const buckets = DURATION_BUCKETS.map((bound, index) => {
      below += tally.buckets[index] ?? 0;
      return { metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: below };
    });
    return [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: tally.count },
      { metricName: `${name}_sum`, labels, value: tally.seconds },
      { metricName: `${name}_count`, labels, value: tally.count },
    ];
  });
}
