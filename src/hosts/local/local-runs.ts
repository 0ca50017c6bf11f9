import { availableParallelism } from "node:os";
import { join } from "node:path";
import { moduleUrlOf } from "../../functions/bundle/bundle.ts";
import { writeBundle } from "../../functions/bundle/bundle-folder.ts";
import type { FunctionTarget } from "../../functions/host.ts";
import { logEntry, type LogEntry } from "../../log-entry.ts";
import { schemasOf } from "../../functions/options.ts";
import { NpmEnvironments } from "../../environments/npm-environments.ts";
import { currentTracing } from "../../tracing/tracing.ts";
import { SingleFlight } from "../../processes/single-flight.ts";
import { omitUndefined } from "../../settings/defined-fields.ts";
import { SETTINGS } from "../../settings/settings.ts";
import type { FunctionCall } from "./function-worker.ts";
import type { RunOutput } from "./run-output.ts";
import { WorkerGroup } from "./worker-group.ts";
import { prepareLauncher } from "./worker-launcher.ts";

/** Receives the output and the URL of a run. */
export interface LocalRunListener {
  readonly signal: AbortSignal | undefined;
  readonly output: RunOutput;
  onListening?(url: string): void;
}

/** Runs functions in processes of this machine. */
export class LocalRuns {
  readonly #environments: NpmEnvironments;
  /** The workers of each function whose environment is prepared. */
  readonly #groups = new WeakMap<FunctionTarget, WorkerGroup>();
  /** The groups that have processes. */
  readonly #active = new Set<WorkerGroup>();
  /** Aborted by {@link close}. */
  #closing = new AbortController();
  readonly #preparations = new SingleFlight<FunctionTarget, WorkerGroup, LogEntry>();

  constructor(cacheDirectory: string | undefined) {
    this.#environments = new NpmEnvironments(omitUndefined({ cacheDirectory }));
  }

  /** Runs a function: prepares its environment if it does not exist yet, and waits for a free worker. */
  async run(target: FunctionTarget, args: readonly unknown[], listener: LocalRunListener): Promise<unknown> {
    const span = currentTracing()?.start(`function ${target.name}`, undefined, { kind: "CLIENT" });
    if (span === undefined) return this.#run(target, { args }, listener);
    return span.around(() => this.#run(target, { args, trace: span.carrier }, listener));
  }

  async #run(target: FunctionTarget, call: FunctionCall, listener: LocalRunListener): Promise<unknown> {
    const { signal, output } = listener;
    const closing = this.#closing.signal;
    const group = this.#groups.get(target) ?? (await this.#prepared(target, listener));
    // The call may have been cancelled at the end of the preparation, when nothing checks the signal any more.
    signal?.throwIfAborted();
    closing.throwIfAborted();
    const { host, gateway } = target.options;
    const exposedPort = target.options.getExposedPort();
    const isServed = gateway.serve === true;
    // If the function itself picks a free port, its number is not known.
    if (!isServed && exposedPort !== undefined && exposedPort > 0)
      listener.onListening?.(localUrl(exposedPort));
    const timeoutMs = host.requestTimeout === undefined ? undefined : host.requestTimeout * 1000;
    return group.call(
      {
        work: isServed
          ? {
              port: exposedPort as number,
              metricsPort: target.options.getMetricsPort() ?? false,
              schemas: schemasOf(gateway),
              ...omitUndefined({ timeoutMs }),
            }
          : call,
        // For a served function, `requestTimeout` limits each request, not the run.
        timeoutMs: isServed ? undefined : timeoutMs,
        onLog: (entry) => output.log(entry),
        onListening: (url) => {
          output.log(logEntry(`served at ${url}`, "BRIDGE", "INFO"));
          listener.onListening?.(url);
        },
      },
      signal,
    );
  }

  /** Ends all processes. Calls that run or are being prepared reject with the reason. */
  async close(reason: unknown): Promise<void> {
    this.#closing.abort(reason);
    this.#closing = new AbortController();
    await Promise.all([...this.#active].map((group) => group.close(reason)));
  }

  /** Prepares the environment and the worker group of a function. Concurrent calls share one preparation. */
  async #prepared(target: FunctionTarget, { signal, output }: LocalRunListener): Promise<WorkerGroup> {
    let isThere = false;
    try {
      const signals = [this.#closing.signal, ...(signal === undefined ? [] : [signal])];
      const caller = { signal: AbortSignal.any(signals), log: (entry: LogEntry) => output.log(entry) };
      const group = await this.#preparations.run(target, caller, (shared, log) =>
        this.#prepare(target, shared, log),
      );
      isThere = true;
      return group;
    } finally {
      output.prepared?.(isThere);
    }
  }

  async #prepare(
    target: FunctionTarget,
    signal: AbortSignal,
    log: (entry: LogEntry) => void,
  ): Promise<WorkerGroup> {
    const { options } = target;
    const failure = new AbortController();
    const launching = prepareLauncher(this.#environments, options, {
      signal: AbortSignal.any([signal, failure.signal]),
      log,
    });
    launching.catch(() => {}); // reported below
    const bundle = await target.bundle().catch(async (error: unknown) => {
      // If the code can't be bundled, abort the installation: it is of no use.
      failure.abort(error);
      await Promise.allSettled([launching]);
      throw error;
    });
    const launcher = await launching;
    const folder = await writeBundle(bundle, join(launcher.environment.directory, "bundles"));
    const { keepAlive = SETTINGS.keepAlive.default, maxConcurrency = availableParallelism() } = options.host;
    const { startupTimeout = SETTINGS.startupTimeout.default, memoryLimitMb } = options.host;
    const { start, maxWorkers = maxConcurrency } = await launcher.workers(options, folder, target.name);
    const group = new WorkerGroup({
      maxWorkers: Math.min(maxWorkers, maxConcurrency),
      keepAliveMs: keepAlive * 1000,
      // Files of the environment may have been removed or changed, so the next call prepares the function again.
      onStartFailed: () => this.#groups.delete(target),
      onFirstWorker: (active) => this.#active.add(active),
      onLastWorkerEnded: (active) => this.#active.delete(active),
      worker: {
        start,
        functionName: target.name,
        moduleUrl: moduleUrlOf(bundle),
        entry: target.entry,
        environment: launcher.packagesUrl,
        startupTimeoutMs: startupTimeout * 1000,
        memoryLimitMb,
      },
    });
    this.#groups.set(target, group);
    return group;
  }
}

function localUrl(port: number): string {
  return `http://127.0.0.1:${port}`;
}
