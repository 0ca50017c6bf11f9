import type { Histogram } from "../../dispatch/metrics.ts";
import { counter, type Family, gauge } from "./family.ts";
import { histogram, type Sample } from "./samples.ts";
import type { QueueMetrics, ServerMetrics } from "./metrics.ts";

/** The metrics of queues, batches, time limits and workers. */
export function dispatchFamilies(metrics: ServerMetrics): Family[] {
  const { queues } = metrics;
  const each = (read: (queue: QueueMetrics) => Sample[]): (() => Sample[]) => {
    return () => queues.flatMap(read);
  };
  return [
    gauge(
      "servable_queue_depth",
      "Queued calls.",
      each((queue) => [sample(queue, queue.metrics.depth)]),
    ),
    gauge(
      "servable_queue_oldest_age_seconds",
      "Waiting time of the oldest queued call.",
      each((queue) => [sample(queue, queue.metrics.oldestAgeMs / 1000)]),
    ),
    spread(
      queues,
      "servable_queue_wait_seconds",
      "Time from arrival to the start of the run.",
      "waits",
      1000,
    ),
    spread(queues, "servable_run_seconds", "Duration of handler runs; a batch is one run.", "runs", 1000),
    spread(queues, "servable_batch_size", "Calls per run.", "batchSizes", 1),
    counter(
      "servable_batches_total",
      "Runs by what limited their batch: size, cost, no more queued calls, another group, a deadline, a retry.",
      each((queue) => [...queue.metrics.reasons].map(([reason, value]) => sample(queue, value, { reason }))),
    ),
    counter(
      "servable_refused_total",
      "Calls refused for lack of capacity or time.",
      each((queue) => [...queue.metrics.refusals].map(([cause, value]) => sample(queue, value, { cause }))),
    ),
    counter(
      "servable_cancelled_total",
      "Calls whose caller left.",
      each(({ metrics, ...queue }) =>
        Object.entries(metrics.cancelled).map(([state, value]) => sample(queue, value, { state })),
      ),
    ),
    counter(
      "servable_late_total",
      "Calls that ended after they were abandoned.",
      each((queue) => [sample(queue, queue.metrics.late)]),
    ),
    counter(
      "servable_retried_total",
      "Calls retried after their worker died.",
      each((queue) => [sample(queue, queue.metrics.retried)]),
    ),
    counter("servable_timeouts_total", "Timeouts of calls and sessions, by phase.", () =>
      timeoutSamples(metrics),
    ),
    {
      ...gauge("servable_bytes_in_flight", "Memory of the input of running calls, in bytes.", () => [
        { labels: { app_name: "fal" }, value: metrics.budget.held },
      ]),
      isShared: true,
    },
    gauge("servable_workers_ready", "Worker processes that are ready.", () =>
      metrics.workers === undefined ? [] : [{ labels: { app_name: "fal" }, value: metrics.workers.ready }],
    ),
    counter("servable_workers_ended_total", "Worker processes that ended unexpectedly.", () =>
      metrics.workers === undefined ? [] : [{ labels: { app_name: "fal" }, value: metrics.workers.ended }],
    ),
  ];
}

function timeoutSamples({ routes, websockets, queues }: ServerMetrics): Sample[] {
  const labels = (method: string, path: string, layer: string): Sample["labels"] => {
    return { app_name: "fal", method, path, layer };
  };
  return [
    ...queues.flatMap(({ method, path, metrics }) => [
      { labels: labels(method, path, "queue"), value: metrics.timeouts.queue },
      { labels: labels(method, path, "run"), value: metrics.timeouts.run },
    ]),
    ...routes.flatMap(({ method, path, timeouts }) => [
      ...(queues.some((queue) => queue.method === method && queue.path === path)
        ? []
        : [{ labels: labels(method, path, "run"), value: timeouts.run }]),
      { labels: labels(method, path, "stream"), value: timeouts.stream },
    ]),
    ...websockets.map(({ path, timeouts }) => ({
      labels: labels("WEBSOCKET", path, "session"),
      value: timeouts,
    })),
  ];
}

/**
 * The samples of one histogram, for each queue.
 * @param scale divisor of its values
 */
function spread(
  queues: readonly QueueMetrics[],
  name: string,
  help: string,
  which: "waits" | "runs" | "batchSizes",
  scale: number,
): Family {
  const samples = (): Sample[] =>
    queues.flatMap((queue) => {
      const { bounds, buckets, count, sum }: Histogram = queue.metrics[which];
      const scaled = bounds.map((bound) => bound / scale);
      return histogram(name, labelsOf(queue), scaled, { buckets, count, seconds: sum / scale });
    });
  return { name, help, type: "histogram", samples };
}

type RouteName = Pick<QueueMetrics, "method" | "path">;

function sample(route: RouteName, value: number, more: Record<string, string> = {}): Sample {
  return { labels: { ...labelsOf(route), ...more }, value };
}

function labelsOf({ method, path }: RouteName): Record<string, string> {
  return { app_name: "fal", method, path };
}
