import { availableParallelism } from "node:os";
import { join } from "node:path";
import { BUNDLE_FILES, moduleUrlOf } from "../../functions/bundle/bundle.ts";
import { placeBundle } from "../../functions/bundle/bundle-folder.ts";
import type { FunctionTarget } from "../../functions/function-target.ts";
import { logEntry, type LogEntry } from "../../functions/log-entry.ts";
import type { Options } from "../../functions/options.ts";
import { toSteps } from "../../functions/requirements.ts";
import { MEMORY_LIMIT_VARIABLE } from "../../functions/runner/memory-guard.ts";
import type { Environment, EnvironmentSpec } from "./environments/environment-spec.ts";
import { NpmEnvironments } from "./environments/npm-environments.ts";
import { SharedWork } from "./environments/shared-work.ts";
import { ForkChannel } from "./fork-channel.ts";
import type { Run } from "./function-worker.ts";
import type { RunOutput } from "./run-output.ts";
import type { StartChannel } from "./worker-channel.ts";
import { workerVariables } from "./worker-environment.ts";
import { WorkerGroup } from "./worker-group.ts";

/** A worker that has nothing to do is kept so long by default, in seconds. */
const KEEP_ALIVE_S = 10;

/** Whom to tell of a run. */
export interface RunListener {
  readonly signal: AbortSignal | undefined;
  readonly output: RunOutput;
  onListening?(url: string): void;
}

/** Runs functions in processes of this machine. */
export class LocalRuns {
  readonly #environments: NpmEnvironments;
  /** Each function's workers, once its environment is there. */
  readonly #groups = new WeakMap<FunctionTarget, WorkerGroup>();
  readonly #preparations = new WeakMap<FunctionTarget, SharedWork<WorkerGroup, LogEntry>>();

  constructor(cacheDirectory: string | undefined) {
    this.#environments = new NpmEnvironments(cacheDirectory === undefined ? {} : { cacheDirectory });
  }

  /** Runs a function: makes its environment where it is not there yet, and waits for a free worker. */
  async run(target: FunctionTarget, args: readonly unknown[], listener: RunListener): Promise<unknown> {
    const { signal, output } = listener;
    const group = this.#groups.get(target) ?? (await this.#prepared(target, listener));
    const { host, gateway } = target.options;
    const exposedPort = target.options.getExposedPort();
    const isServed = gateway.serve === true;
    if (!isServed && exposedPort !== undefined) listener.onListening?.(localUrl(exposedPort));
    return new Promise((resolve, reject) => {
      const run: Run = {
        work: isServed
          ? { port: exposedPort as number, metricsPort: target.options.getMetricsPort() ?? false }
          : { args },
        timeoutMs: host.requestTimeout === undefined ? undefined : host.requestTimeout * 1000,
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

  /** Makes what the function runs in. Calls that come meanwhile wait for the same. */
  async #prepared(target: FunctionTarget, { signal, output }: RunListener): Promise<WorkerGroup> {
    let preparation = this.#preparations.get(target);
    if (preparation === undefined || preparation.isClosed) {
      preparation = new SharedWork((shared, log) => this.#prepare(target, shared, log));
      this.#preparations.set(target, preparation);
    }
    let isThere = false;
    try {
      const group = await preparation.join({ signal, log: (entry) => output.log(entry) });
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
    const [bundle, environment] = await Promise.all([
      target.bundle(),
      this.#environment(options, signal, log),
    ]);
    const folder = await placeBundle(bundle, join(environment.directory, "bundles"));
    const { keepAlive = KEEP_ALIVE_S, maxConcurrency = availableParallelism() } = options.host;
    const { startupTimeout, memoryLimitMb } = options.host;
    const group = new WorkerGroup({
      maxWorkers: maxConcurrency,
      keepAliveMs: keepAlive * 1000,
      // Its files may be gone, or what it needs has changed: the next call prepares anew.
      onStartFailed: () => this.#groups.delete(target),
      worker: {
        start: forks(options, environment, folder, target.name),
        functionName: target.name,
        moduleUrl: moduleUrlOf(bundle),
        entry: target.entry,
        startupTimeoutMs: startupTimeout === undefined ? undefined : startupTimeout * 1000,
        memoryLimitMb,
      },
    });
    this.#groups.set(target, group);
    return group;
  }

  async #environment(
    options: Options,
    signal: AbortSignal,
    log: (entry: LogEntry) => void,
  ): Promise<Environment> {
    const { kind, requirements = [], nodeVersion, lockfile, image, force } = options.environment;
    const spec: EnvironmentSpec = {
      kind,
      steps: toSteps(requirements),
      ...(nodeVersion === undefined ? {} : { nodeVersion }),
      ...(lockfile === undefined ? {} : { lockfile }),
      ...(image === undefined ? {} : { image }),
    };
    const environment = await this.#environments.prepare(spec, {
      signal,
      log,
      ...(force === undefined ? {} : { force }),
    });
    this.#environments.use(environment); // as long as this process lives
    return environment;
  }
}

function forks(options: Options, environment: Environment, folder: string, title: string): StartChannel {
  const { env, memoryLimitMb } = options.host;
  const variables = workerVariables(env);
  const nodeOptions = ["--enable-source-maps"];
  if (memoryLimitMb !== undefined) {
    nodeOptions.push(`--max-old-space-size=${Math.ceil((memoryLimitMb * 1e6) / 2 ** 20)}`);
    variables[MEMORY_LIMIT_VARIABLE] = String(memoryLimitMb);
  }
  return (listener) =>
    new ForkChannel(
      {
        runner: join(folder, BUNDLE_FILES.runner),
        node: environment.node,
        nodeOptions,
        variables,
        directory: process.cwd(),
        title,
      },
      listener,
    );
}

function localUrl(port: number): string {
  return `http://127.0.0.1:${port}`;
}
