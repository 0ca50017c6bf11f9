import { availableParallelism } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { BUNDLE_FILES, moduleUrlOf } from "../../functions/bundle/bundle.ts";
import { writeBundle } from "../../functions/bundle/bundle-folder.ts";
import type { FunctionTarget } from "../../functions/host.ts";
import { logEntry, type LogEntry } from "../../functions/log-entry.ts";
import { schemasOf, type Options } from "../../functions/options.ts";
import { toSteps } from "../../functions/requirements.ts";
import { MEMORY_LIMIT_VARIABLE } from "../../functions/runner/process-guards.ts";
import type { Environment, EnvironmentSpec, PrepareOptions } from "./environments/environment-spec.ts";
import { NpmEnvironments } from "./environments/npm-environments.ts";
import { SingleFlight } from "../../processes/single-flight.ts";
import { SETTINGS } from "../../settings/settings.ts";
import { seesForeignPackages } from "./foreign-packages.ts";
import { ForkChannel, type ForkOptions } from "../../processes/worker-channel.ts";
import type { Run, StartRunner } from "./function-worker.ts";
import type { RunOutput } from "./run-output.ts";
import { workerVariables } from "./worker-environment.ts";
import { WorkerGroup } from "./worker-group.ts";

/** Whom to tell of a run. */
export interface LocalRunListener {
  readonly signal: AbortSignal | undefined;
  readonly output: RunOutput;
  onListening?(url: string): void;
}

/** Runs functions in processes of this machine. */
export class LocalRuns {
  readonly #environments: NpmEnvironments;
  /** Each function's workers, once its environment is there. */
  readonly #groups = new WeakMap<FunctionTarget, WorkerGroup>();
  /** Those that have processes. */
  readonly #active = new Set<WorkerGroup>();
  /** Aborted when all is closed that has begun until then. */
  #closing = new AbortController();
  readonly #preparations = new SingleFlight<FunctionTarget, WorkerGroup, LogEntry>();

  constructor(cacheDirectory: string | undefined) {
    this.#environments = new NpmEnvironments(cacheDirectory === undefined ? {} : { cacheDirectory });
  }

  /** Runs a function: makes its environment where it is not there yet, and waits for a free worker. */
  async run(target: FunctionTarget, args: readonly unknown[], listener: LocalRunListener): Promise<unknown> {
    const { signal, output } = listener;
    const closing = this.#closing.signal;
    const group = this.#groups.get(target) ?? (await this.#prepared(target, listener));
    // It may have been cancelled when all was made but the last of it: nobody would hear of that any more.
    signal?.throwIfAborted();
    closing.throwIfAborted();
    const { host, gateway } = target.options;
    const exposedPort = target.options.getExposedPort();
    const isServed = gateway.serve === true;
    // One that listens by itself on any port keeps its number to itself.
    if (!isServed && exposedPort !== undefined && exposedPort > 0)
      listener.onListening?.(localUrl(exposedPort));
    const timeoutMs = host.requestTimeout === undefined ? undefined : host.requestTimeout * 1000;
    return new Promise((resolve, reject) => {
      const run: Run = {
        work: isServed
          ? {
              port: exposedPort as number,
              metricsPort: target.options.getMetricsPort() ?? false,
              schemas: schemasOf(gateway),
              ...(timeoutMs === undefined ? {} : { timeoutMs }),
            }
          : { args },
        // Of a served function it limits each request, not the server's life.
        timeoutMs: isServed ? undefined : timeoutMs,
        onLog: (entry) => output.log(entry),
        onListening: (url) => {
          output.log(logEntry(`served at ${url}`, "BRIDGE", "INFO"));
          listener.onListening?.(url);
        },
        resolve: (value) => {
          signal?.removeEventListener("abort", cancel);
          resolve(value);
        },
        reject: (error: unknown) => {
          signal?.removeEventListener("abort", cancel);
          reject(error);
        },
      };
      const cancel = (): void => group.cancel(run, signal?.reason);
      signal?.addEventListener("abort", cancel, { once: true });
      group.run(run);
    });
  }

  /** Ends all processes; what runs, or is being prepared, is rejected with the reason. */
  async close(reason: unknown): Promise<void> {
    this.#closing.abort(reason);
    this.#closing = new AbortController();
    await Promise.all([...this.#active].map((group) => group.close(reason)));
  }

  /** Makes what the function runs in. Calls that come meanwhile wait for the same. */
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
    const placing = this.#place(options, AbortSignal.any([signal, failure.signal]), log);
    placing.catch(() => {}); // told below
    const bundle = await target.bundle().catch(async (error: unknown) => {
      // Nothing is installed for code that can't run.
      failure.abort(error);
      await Promise.allSettled([placing]);
      throw error;
    });
    const place = await placing;
    const folder = await writeBundle(bundle, join(place.environment.directory, "bundles"));
    const { keepAlive = SETTINGS.keepAlive.default, maxConcurrency = availableParallelism() } = options.host;
    const { startupTimeout = SETTINGS.startupTimeout.default, memoryLimitMb } = options.host;
    const { start, maxWorkers = maxConcurrency } = await place.workers(options, folder, target.name);
    const group = new WorkerGroup({
      maxWorkers: Math.min(maxWorkers, maxConcurrency),
      keepAliveMs: keepAlive * 1000,
      // Its files may be gone, or what it needs has changed: the next call prepares anew.
      onStartFailed: () => this.#groups.delete(target),
      onFirstWorker: (active) => this.#active.add(active),
      onLastWorkerEnded: (active) => this.#active.delete(active),
      worker: {
        start,
        functionName: target.name,
        moduleUrl: moduleUrlOf(bundle),
        entry: target.entry,
        environment: place.guarded,
        startupTimeoutMs: startupTimeout * 1000,
        memoryLimitMb,
      },
    });
    this.#groups.set(target, group);
    return group;
  }

  async #place(options: Options, signal: AbortSignal, log: (entry: LogEntry) => void): Promise<Place> {
    const { kind, requirements = [], nodeVersion, lockfile, image, force } = options.environment;
    const spec: EnvironmentSpec = {
      kind,
      steps: toSteps(requirements),
      ...(nodeVersion === undefined ? {} : { nodeVersion }),
      ...(lockfile === undefined ? {} : { lockfile }),
    };
    const prepareOptions = { signal, log, ...(force === undefined ? {} : { force }) };
    const place =
      image === undefined
        ? forkPlace(await this.#environments.prepare(spec, prepareOptions))
        : await this.#containerPlace({ ...spec, image }, prepareOptions);
    this.#environments.use(place.environment); // as long as this process lives
    return place;
  }

  async #containerPlace(
    spec: EnvironmentSpec & { readonly image: string },
    options: PrepareOptions,
  ): Promise<Place> {
    // Only a function in a container pays for it.
    const { prepareContainer, containerWorkers } = await import("./container/containers.ts");
    const prepared = await prepareContainer(this.#environments, spec, options);
    return {
      environment: prepared.environment,
      guarded: undefined, // a container has nothing above it
      workers: (of, folder, title) =>
        containerWorkers(prepared, { options: of, folder, title, ...runnerSettings(of) }),
    };
  }
}

/** Where a function runs. */
interface Place {
  readonly environment: Environment;
  /** `file:` URL of the environment, as the processes see it, where other packages could be found above it. */
  readonly guarded: string | undefined;
  /**
   * How its workers are started, and how many there may be at a time.
   * @param folder the function's bundle
   * @param title for whoever lists processes
   */
  workers(options: Options, folder: string, title: string): Promise<Workers>;
}

interface Workers {
  readonly start: StartRunner;
  readonly maxWorkers?: number;
}

function forkPlace(environment: Environment): Place {
  const { directory } = environment;
  return {
    environment,
    guarded: seesForeignPackages(directory) ? pathToFileURL(join(directory, "/")).href : undefined,
    workers: (options, folder, title) => Promise.resolve(forks(options, environment, folder, title)),
  };
}

function forks(options: Options, { node }: Environment, folder: string, title: string): Workers {
  const { nodeOptions, variables } = runnerSettings(options);
  const forkOptions: ForkOptions = {
    program: join(folder, BUNDLE_FILES.runner),
    node,
    nodeOptions,
    environment: { ...workerVariables(options.host.env), ...variables },
    directory: process.cwd(),
    title,
  };
  return { start: (listener) => new ForkChannel(forkOptions, listener) };
}

/** What the runner is started with, wherever it is. */
function runnerSettings({ host: { memoryLimitMb } }: Options): {
  readonly nodeOptions: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
} {
  if (memoryLimitMb === undefined) return { nodeOptions: ["--enable-source-maps"], variables: {} };
  const heapMb = Math.ceil((memoryLimitMb * 1e6) / 2 ** 20);
  return {
    nodeOptions: ["--enable-source-maps", `--max-old-space-size=${heapMb}`],
    variables: { [MEMORY_LIMIT_VARIABLE]: String(memoryLimitMb) },
  };
}

function localUrl(port: number): string {
  return `http://127.0.0.1:${port}`;
}
