import { createServer, type Server } from "node:http";
import type { Metric } from "prom-client";
import { dispatchFamilies } from "./dispatch-samples.ts";
import { counter, type Family, gauge } from "./family.ts";
import { EventLoopDelay, utilizationSinceLast } from "./event-loop-delay.ts";
import { systemClock } from "../../dispatch/clock.ts";
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

/** prom-client's metrics of the event loop, which {@link EventLoopDelay} replaces. */
const REPLACED = ["", "_min", "_max", "_mean", "_stddev", "_p50", "_p90", "_p99"].map(
  (which) => `nodejs_eventloop_lag${which}_seconds`,
);
/** The longest interval of a timer, in ms. */
const NEVER_MS = 2 ** 31 - 1;

/** Renders the counters of a server in Prometheus's text format. */
interface MetricsRenderer {
  render(): Promise<string>;
  stop(): void;
}

async function createMetricsRenderer(metrics: ServerMetrics): Promise<MetricsRenderer> {
  const { collectDefaultMetrics, Gauge, register, Registry } = await import("prom-client");
  const registry = new Registry();
  // It has no option to leave out its timer, which is most of an idle process's work.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS });
  for (const name of REPLACED) registry.removeSingleMetric(name);
  const delay = new EventLoopDelay({ clock: systemClock, utilization: utilizationSinceLast() });
  const hasMembers = metrics.members.length > 0;
  const info = new Gauge({
    name: "fal_app_info",
    help: "The app's version.",
    labelNames: hasMembers ? ["app", "version"] : ["version"],
    registers: [registry],
  });
  if (!hasMembers) info.set({ version: metrics.version }, 1);
  for (const {
    app,
    metrics: { version },
  } of metrics.members)
    info.set({ app, version }, 1);
  for (const { name, help, type, samples } of [...familiesOfAll(metrics), ...delay.families()]) {
    // The registry only reads a metric's samples when it is scraped, so this object is sufficient.
    const metric = {
      name,
      help,
      type,
      aggregator: "sum",
      get: async () => ({ name, help, type, values: samples() }),
    };
    registry.registerMetric(metric as unknown as Metric);
  }
  // Metrics that the app registers with prom-client are included.
  return {
    async render() {
      delay.take();
      return `${await registry.metrics()}\n${await register.metrics()}`;
    },
    stop: () => delay.stop(),
  };
}

/** The families of a server; those of the classes on its port also have the label `app`. */
function familiesOfAll(metrics: ServerMetrics): Family[] {
  const own = familiesOf(metrics);
  const others = metrics.members.map(({ app, metrics: ofMember }) => ({
    app,
    families: familiesOf(ofMember),
  }));
  if (others.length === 0) return own;
  return own.map((family, index) => {
    if (family.isShared === true) return family;
    const ofMembers = (): Sample[] =>
      others.flatMap(({ app, families }) =>
        (families[index]?.samples() ?? []).map((sample) => ({
          ...sample,
          labels: { app, ...sample.labels },
        })),
      );
    return { ...family, samples: () => [...family.samples(), ...ofMembers()] };
  });
}

function familiesOf(metrics: ServerMetrics): Family[] {
  const { routes, websockets } = metrics;
  return [
    counter("http_requests_total", "Requests answered.", () => routes.flatMap(countSamples)),
    {
      name: "http_request_duration_seconds",
      help: "Time from the parsed request to its answer.",
      type: "histogram",
      samples: () => routes.flatMap(durationSamples),
    },
    gauge("http_requests_in_progress", "Requests being handled.", () => routes.map(progressSamples)),
    gauge("realtime_sessions_open", "Open websockets.", () => sessionSamples(websockets, "open")),
    counter("realtime_messages_received_total", "Messages received.", () =>
      sessionSamples(websockets, "messagesIn"),
    ),
    counter("realtime_messages_sent_total", "Results sent.", () => sessionSamples(websockets, "messagesOut")),
    counter("realtime_inputs_dropped_total", "Inputs dropped unprocessed.", () =>
      sessionSamples(websockets, "droppedInputs"),
    ),
    {
      name: "realtime_session_duration_seconds",
      help: "Duration of websocket sessions.",
      type: "histogram",
      samples: () => websockets.flatMap(lengthSamples),
    },
    counter("realtime_sessions_closed_total", "Websockets that ended, by the code of the close frame.", () =>
      websockets.flatMap(closeSamples),
    ),
    {
      ...counter("servable_log_lines_dropped_total", "Log lines that could not be written.", () => [
        { labels: {}, value: droppedLines() },
      ]),
      isShared: true,
    },
    {
      ...counter(
        "servable_stalled_readers_total",
        "Connections closed because their client stopped reading.",
        () => [{ labels: { app_name: "fal" }, value: metrics.stalledReaders }],
      ),
      isShared: true,
    },
    ...dispatchFamilies(metrics),
  ];
}

/**
 * Serves `GET /metrics` on a separate port. Port 0 takes any free one. The first scrape loads what renders metrics, so
 * that a server that is never scraped does without.
 */
export async function startMetricsServer(
  metrics: ServerMetrics,
  { host, port, allowedHosts }: { host: string; port: number; allowedHosts: readonly string[] },
): Promise<Server> {
  let renderer: Promise<MetricsRenderer> | undefined;
  const render = async (): Promise<string> => (await (renderer ??= createMetricsRenderer(metrics))).render();
  const access = new Access({ cors: undefined, allowedHosts, rootPath: "", onlyLocal: true });
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
  server.once("close", () => void renderer?.then(({ stop }) => stop()));
  await listen(server, { host, port }, "metrics port");
  return server;
}
