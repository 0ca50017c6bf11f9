import { createServer, type Server } from "node:http";
import type { Metric } from "prom-client";
import { dispatchFamilies } from "./dispatch-samples.ts";
import { Access } from "../access/access.ts";
import { droppedLines } from "../../output/standard-output.ts";
import { listen } from "../connections/listen.ts";
import {
  closeSamples,
  countSamples,
  durationSamples,
  lengthSamples,
  progressSamples,
  sessionSamples,
  type Sample,
} from "./samples.ts";
import type { ServerMetrics } from "./metrics.ts";

/** Creates a function that renders the counters of a server in Prometheus's text format. */
async function createMetricsRenderer(metrics: ServerMetrics): Promise<() => Promise<string>> {
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
    // The registry only reads a metric's samples when it is scraped, so this object is sufficient.
    const metric = {
      name,
      help,
      type,
      aggregator: "sum",
      get: async () => ({ name, help, type, values: samples() }),
    };
    registry.registerMetric(metric as unknown as Metric);
  };
  const { routes, websockets } = metrics;
  add("http_requests_total", "Requests answered.", "counter", () => routes.flatMap(countSamples));
  add("http_request_duration_seconds", "Time from the parsed request to its answer.", "histogram", () =>
    routes.flatMap(durationSamples),
  );
  add("http_requests_in_progress", "Requests being handled.", "gauge", () => routes.map(progressSamples));
  add("realtime_sessions_open", "Open websockets.", "gauge", () => sessionSamples(websockets, "open"));
  add("realtime_messages_received_total", "Messages received.", "counter", () =>
    sessionSamples(websockets, "messagesIn"),
  );
  add("realtime_messages_sent_total", "Results sent.", "counter", () =>
    sessionSamples(websockets, "messagesOut"),
  );
  add("realtime_inputs_dropped_total", "Inputs dropped unprocessed.", "counter", () =>
    sessionSamples(websockets, "droppedInputs"),
  );
  add("realtime_session_duration_seconds", "Duration of websocket sessions.", "histogram", () =>
    websockets.flatMap(lengthSamples),
  );
  add(
    "realtime_sessions_closed_total",
    "Websockets that ended, by the code of the close frame.",
    "counter",
    () => websockets.flatMap(closeSamples),
  );
  add("servable_log_lines_dropped_total", "Log lines that could not be written.", "counter", () => [
    { labels: {}, value: droppedLines() },
  ]);
  add(
    "servable_stalled_readers_total",
    "Connections closed because their client stopped reading.",
    "counter",
    () => [{ labels: { app_name: "fal" }, value: metrics.stalledReaders }],
  );
  for (const { name, help, type, samples } of dispatchFamilies(metrics)) add(name, help, type, samples);
  // Metrics that the app registers with prom-client are included.
  return async () => `${await registry.metrics()}\n${await register.metrics()}`;
}

/** Serves `GET /metrics` on a separate port. Port 0 takes any free one. */
export async function startMetricsServer(
  metrics: ServerMetrics,
  { host, port, allowedHosts }: { host: string; port: number; allowedHosts: readonly string[] },
): Promise<Server> {
  const render = await createMetricsRenderer(metrics);
  const access = new Access({ corsOrigins: undefined, allowedHosts, rootPath: "", onlyLocal: true });
  const server = createServer({ requireHostHeader: false }, (request, response) => {
    response.setHeader("x-content-type-options", "nosniff");
    const refusal = access.refusal(request);
    if (refusal !== undefined) {
      const body = JSON.stringify({ detail: refusal.detail });
      response.writeHead(refusal.status, { "content-type": "application/json" }).end(body);
      return;
    }
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
  access.follow(server);
  await listen(server, host, port, "metrics port");
  return server;
}
