import { RequestCancelledException } from "../../errors.ts";
import { type FunctionTarget, Host, type RunOptions, type SpawnInfo } from "../../functions/host.ts";
import { BUNDLE_FILES } from "../../functions/bundle/bundle.ts";
import { currentRuntime } from "../../functions/runtime.ts";
import { toSteps } from "../../functions/requirements.ts";
import type { LogEntry } from "../../log-entry.ts";
import { checkArguments, spawnRun, type RunListener } from "../spawned-run.ts";
import { standardRunOutput } from "./run-output.ts";
import type * as LocalRunsModule from "./local-runs.ts";

/** Settings of a {@link LocalHost}. */
export interface LocalHostOptions {
  /**
   * The folder in which environments are installed. Default: `SERVABLE_CACHE_DIR`, otherwise a folder "servable" in the
   * user's cache.
   */
  readonly cacheDirectory?: string;
  /**
   * Receives every line of a call's output and of its installation, instead of this process's standard output and
   * error. Lines of a spawned run go to its {@link SpawnInfo}.
   */
  readonly onLog?: (entry: LogEntry, functionName: string) => void;
}

/**
 * Runs isolated functions on this machine. Each runs in its own process, with the packages that its `requirements`
 * list. Of this process's environment variables, it gets only a short default list and those in its option `env`.
 *
 * An environment is installed once and shared by all programs of this user. Processes are started on demand and kept
 * for `keepAlive` seconds (default 10) after their last run. All of them end with this process.
 */
export class LocalHost extends Host {
  readonly supportedKeys: ReadonlySet<string> = new Set([
    "keepAlive",
    "maxConcurrency",
    "setupFunction",
    "requestTimeout",
    "startupTimeout",
    "memoryLimitMb",
    "env",
  ]);
  readonly #options: LocalHostOptions;
  #runs: Promise<LocalRunsModule.LocalRuns> | undefined;

  constructor(options: LocalHostOptions = {}) {
    super();
    this.#options = options;
  }

  async run(target: FunctionTarget, args: readonly unknown[], options: RunOptions): Promise<unknown> {
    checkArguments(target, args);
    const runs = await this.#getRuns();
    const { onLog } = this.#options;
    const { name } = target;
    const output =
      onLog === undefined
        ? standardRunOutput(name, requirementsOf(target))
        : { log: (entry: LogEntry) => onLog(entry, name) };
    return runs.run(target, args, { signal: options.signal, output });
  }

  spawn(target: FunctionTarget, args: readonly unknown[], { signal }: RunOptions): SpawnInfo {
    checkArguments(target, args);
    const start = ({ onLog, onUrl, ...listener }: Required<RunListener>): Promise<unknown> =>
      this.#getRuns().then((runs) =>
        runs.run(target, args, { ...listener, output: { log: onLog }, onListening: onUrl }),
      );
    return spawnRun(start, signal);
  }

  /**
   * Ends all processes of this host immediately, without waiting for `keepAlive`. Running calls reject with a
   * RequestCancelledException. Later calls start new processes. Calling this is optional: an open host does not keep
   * this process alive.
   */
  async close(): Promise<void> {
    const runs = await this.#runs?.catch(() => undefined); // if loading failed, there is nothing to end
    await runs?.close(new RequestCancelledException("The host was closed."));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The code that runs functions. Loaded by the first call. */
  #getRuns(): Promise<LocalRunsModule.LocalRuns> {
    if (this.#runs === undefined) {
      this.#runs = loadRuns().then(({ LocalRuns: Runs }) => new Runs(this.#options.cacheDirectory));
      // If it fails, for example because the cache folder can't be created, a later call tries again.
      this.#runs.catch(() => (this.#runs = undefined));
    }
    return this.#runs;
  }
}

/** Loads the code that runs functions. If a function calls another one, this code is a file next to the bundle. */
function loadRuns(): Promise<typeof LocalRunsModule> {
  const runtime = currentRuntime();
  if (runtime === undefined) return import("./local-runs.ts");
  const url = new URL(BUNDLE_FILES.host, runtime.bundleUrl).href;
  return import(url) as Promise<typeof LocalRunsModule>;
}

/** The requirements of a function, in words. */
function requirementsOf({ name, options }: FunctionTarget): string {
  const listed = toSteps(options.environment.requirements ?? []).flat();
  return listed.length === 0 ? `the environment of ${name}` : listed.join(", ");
}
