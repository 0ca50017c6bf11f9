import { DispatchMetrics } from "../../dispatch/metrics.ts";
import { SessionMetrics } from "./session-metrics.ts";

/** In seconds. Prometheus's usual buckets, with longer ones for slow models. */
export const DURATION_BUCKETS = [
  ...[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1],
  ...[2.5, 5, 7.5, 10, 30, 60, 120, 300],
] as const;

/** The status of requests whose client left before the answer. */
export const CLIENT_CLOSED_REQUEST = 499;

/** The counts of one status code of one route. */
interface StatusCounts {
  count: number;
  seconds: number;
  /** One counter per bucket, not cumulative. */
  readonly buckets: number[];
}

/** Counts the requests of one route with plain additions: labels and maps would slow down each request. */
export class RouteMetrics {
  readonly method: string;
  readonly path: string;
  inProgress = 0;
  /** Timed-out requests, by phase: in the handler, or between two items of a stream. */
  readonly timeouts = { run: 0, stream: 0 };
  readonly #byStatus = new Map<number, StatusCounts>();

  constructor(method: string, path: string) {
    this.method = method;
    this.path = path;
  }

  /** Counts by status code. */
  get byStatus(): ReadonlyMap<number, StatusCounts> {
    return this.#byStatus;
  }

  record(status: number, seconds: number): void {
    let counts = this.#byStatus.get(status);
    if (counts === undefined) {
      counts = { count: 0, seconds: 0, buckets: DURATION_BUCKETS.map(() => 0) };
      this.#byStatus.set(status, counts);
    }
    counts.count++;
    counts.seconds += seconds;
    for (let index = 0; index < DURATION_BUCKETS.length; index++) {
      if (seconds <= (DURATION_BUCKETS[index] as number)) {
        counts.buckets[index] = (counts.buckets[index] as number) + 1;
        return;
      }
    }
  }
}

/** The metrics of one route's queue. */
export interface QueueMetrics {
  readonly method: string;
  readonly path: string;
  readonly metrics: DispatchMetrics;
}

/** All metrics of a server. */
export class ServerMetrics {
  readonly version: string;
  readonly routes: RouteMetrics[] = [];
  readonly websockets: SessionMetrics[] = [];
  readonly queues: QueueMetrics[] = [];
  /** Connections closed because their client stopped reading. */
  stalledReaders = 0;
  /** The metrics of the classes on this server's port, each with its label; empty if it serves one class. */
  readonly members: { readonly app: string; readonly metrics: ServerMetrics }[] = [];
  /** The worker processes, if any. */
  workers: { readonly ready: number; readonly ended: number } | undefined;

  /** The memory of callers' input. */
  readonly budget: { readonly held: number };

  constructor(version: string, budget: { readonly held: number }) {
    this.version = version;
    this.budget = budget;
  }

  queue(method: QueueMetrics["method"], path: string): DispatchMetrics {
    const metrics = new DispatchMetrics();
    this.queues.push({ method, path, metrics });
    return metrics;
  }

  websocket(path: string): SessionMetrics {
    const metrics = new SessionMetrics(path);
    this.websockets.push(metrics);
    return metrics;
  }

  route(method: string, path: string): RouteMetrics {
    const metrics = new RouteMetrics(method, path);
    this.routes.push(metrics);
    return metrics;
  }
}
