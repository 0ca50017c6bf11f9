import { monitorEventLoopDelay } from "node:perf_hooks";
import type { LiveApp } from "../scheduler/live-app.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import type { StartTimes } from "../scheduler/start-times.ts";
import { aliasOf } from "../state/app-names.ts";
import { Counter, Exposition, Histogram, type Labels } from "./samples.ts";

/** Bounds of the time of a request, in seconds. */
const LATENCY_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800];
/** Bounds of a phase of a start, in seconds. */
const START_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

/** Counts what happens on a platform, and writes it in Prometheus' format. Names are fal's where fal has one. */
export class PlatformMetrics {
  readonly #received = new Counter();
  readonly #completed = new Counter();
  readonly #latency = new Histogram(LATENCY_SECONDS);
  readonly #starts = new Histogram(START_SECONDS);
  readonly #failures = new Counter();
  readonly #loop = monitorEventLoopDelay();

  constructor() {
    this.#loop.enable();
  }

  /** A request to an app has arrived. */
  received(application: string, method: string): void {
    this.#received.add({ application, method });
  }

  /** A request has been answered, by its app or by the platform. */
  completed(application: string, method: string, status: number, seconds: number): void {
    this.#completed.add({ application, method, status: String(status) });
    this.#latency.observe({ application }, seconds);
  }

  /** A runner is ready. */
  started(application: string, times: StartTimes): void {
    for (const [phase, seconds] of Object.entries(times)) {
      this.#starts.observe({ application, phase }, seconds as number);
    }
  }

  /** A runner has failed. */
  failed(application: string): void {
    this.#failures.add({ application });
  }

  /** All of it now. */
  text(scheduler: Scheduler, { version }: { readonly version: string }): string {
    const apps = [...scheduler.apps()].map((app) => ({ app, application: nameOf(app) }));
    const ofApps = (value: (app: LiveApp) => number): [Labels, number][] =>
      apps.map(({ app, application }) => [{ application }, value(app)]);
    const out = new Exposition();
    out.gauge(
      "fal_app_runners",
      "Runners by state: idle, running, pending or draining.",
      apps.flatMap(runnersOf),
    );
    out.gauge(
      "fal_app_queue_size",
      "Requests that wait for a runner.",
      ofApps(({ waiting, queued }) => waiting + queued),
    );
    out.gauge("fal_app_concurrent_requests", "Requests and sockets on runners.", ofApps(runningOn));
    out.counter("fal_app_requests_received_total", "Requests that have arrived.", this.#received.samples());
    out.counter(
      "fal_app_requests_completed_total",
      "Requests that were answered.",
      this.#completed.samples(),
    );
    out.histogram("fal_app_request_latency", "Time from arrival to answer, in seconds.", this.#latency);
    out.gauge(
      "servable_app_target_runners",
      "Runners that there should be.",
      ofApps(({ target }) => target),
    );
    out.counter("servable_app_runner_failures_total", "Runners that have failed.", this.#failures.samples());
    out.histogram(
      "servable_app_start_seconds",
      "Time of starts of runners by phase, in seconds.",
      this.#starts,
    );
    const usage = process.cpuUsage();
    out.gauge("servable_platform_info", "The version of the platform.", [[{ version }, 1]]);
    out.gauge("process_uptime_seconds", "Time since the start of the platform.", [[{}, process.uptime()]]);
    out.counter("process_cpu_seconds_total", "CPU time of the platform.", [
      [{}, (usage.user + usage.system) / 1e6],
    ]);
    out.gauge("process_resident_memory_bytes", "Memory of the platform.", [[{}, process.memoryUsage.rss()]]);
    out.gauge(
      "nodejs_eventloop_lag_p99_seconds",
      "Delay of the platform's event loop since the last reading.",
      [[{}, this.#loop.percentile(99) / 1e9]],
    );
    this.#loop.reset();
    return out.toString();
  }

  close(): void {
    this.#loop.disable();
  }
}

function nameOf({ row }: LiveApp): string {
  return aliasOf({ app: row.name, environment: row.environment });
}

function runningOn(app: LiveApp): number {
  return [...app.runners.values()].reduce((sum, { leases }) => sum + leases.size, 0);
}

function runnersOf({
  app,
  application,
}: {
  readonly app: LiveApp;
  readonly application: string;
}): readonly (readonly [Labels, number])[] {
  const counts: Record<string, number> = { idle: 0, running: 0, pending: 0, draining: 0 };
  for (const { state, leases } of app.runners.values()) {
    const name = state === "starting" ? "pending" : state === "ready" && leases.size > 0 ? "running" : "";
    const shown = name === "" ? (state === "ready" ? "idle" : "draining") : name;
    counts[shown] = (counts[shown] ?? 0) + 1;
  }
  const machine_type = app.revision.codeSettings.machineTypes.join(",");
  return Object.entries(counts).map(
    ([state, count]) => [{ application, state, machine_type }, count] as const,
  );
}
