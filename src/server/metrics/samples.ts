import { DURATION_BUCKETS, type RouteMetrics } from "./metrics.ts";
import { SESSION_BUCKETS, type SessionMetrics } from "./session-metrics.ts";

/** One line of Prometheus's text format. */
export interface Sample {
  metricName?: string;
  labels: Record<string, string | number>;
  value: number;
}

export function countSamples(route: RouteMetrics): Sample[] {
  return [...route.byStatus].map(([status, counts]) => ({
    labels: { ...labelsOf(route), status_code: status },
    value: counts.count,
  }));
}

export function durationSamples(route: RouteMetrics): Sample[] {
  return [...route.byStatus].flatMap(([status, { count, seconds, buckets }]) => {
    const labels = { ...labelsOf(route), status_code: status };
    return histogram("http_request_duration_seconds", labels, DURATION_BUCKETS, { count, seconds, buckets });
  });
}

export function progressSamples(route: RouteMetrics): Sample {
  return { labels: labelsOf(route), value: route.inProgress };
}

/** The samples of one counter or gauge, one for each websocket route. */
export function sessionSamples(
  all: readonly SessionMetrics[],
  which: "open" | "messagesIn" | "messagesOut" | "droppedInputs",
): Sample[] {
  return all.map((metrics) => ({ labels: sessionLabels(metrics), value: metrics[which] }));
}

export function lengthSamples(metrics: SessionMetrics): Sample[] {
  const { ended: count, seconds, buckets } = metrics;
  const labels = sessionLabels(metrics);
  return histogram("realtime_session_duration_seconds", labels, SESSION_BUCKETS, { count, seconds, buckets });
}

export function closeSamples(metrics: SessionMetrics): Sample[] {
  return [...metrics.closeCodes].map(([code, value]) => ({
    labels: { ...sessionLabels(metrics), code },
    value,
  }));
}

function labelsOf(route: RouteMetrics): Record<string, string | number> {
  return { app_name: "fal", method: route.method, path: route.path };
}

function sessionLabels(metrics: SessionMetrics): Record<string, string | number> {
  return { app_name: "fal", path: metrics.path };
}

/** Creates the samples of a histogram. Prometheus's buckets are cumulative. */
export function histogram(
  name: string,
  labels: Record<string, string | number>,
  bounds: readonly number[],
  counts: { count: number; seconds: number; buckets: readonly number[] },
): Sample[] {
  let below = 0;
  const buckets = bounds.map((bound, index) => {
    below += counts.buckets[index] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: counts.count },
    { metricName: `${name}_sum`, labels, value: counts.seconds },
    { metricName: `${name}_count`, labels, value: counts.count },
  ];
}
