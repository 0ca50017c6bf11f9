import { RequestCancelledException } from "../../errors.ts";
import { type FunctionTarget, Host, type RunOptions, type SpawnInfo } from "../../functions/host.ts";
import { BUNDLE_FILES } from "../../functions/bundle/bundle.ts";
import { currentRuntime } from "../../functions/runtime.ts";
import { toSteps } from "../../functions/requirements.ts";
import type { LogEntry } from "../../functions/log-entry.ts";
import { checkArguments, spawnRun, type RunListener } from "../spawned-run.ts";
import { standardRunOutput } from "./run-output.ts";
import type * as LocalRunsModule from "./local-runs.ts";

/** Settings of a {@link LocalHost}. */
export interface LocalHostOptions {
  /**
   * Where environments are kept. Default: `SERVABLE_CACHE_DIR`, else a folder "servable" in the user's cache.
   */
  readonly cacheDirectory?: string;
  /**
   * Called with every line of a call's output and of its install, which by default go to this process's standard
   * output and error. The lines of a spawned run go to its {@link SpawnInfo}.
   */
  readonly onLog?: (entry: LogEntry, functionName: string) => void;
}

/**
 * Runs isolated functions on this machine: each in a process of its own, with the packages that it asks for, and
 * nothing of this process's environment but what is listed.
 *
 * Environments are installed once, and kept for every program of this user. Processes are started when they are needed
 * and kept `keepAlive` seconds (default 10) after their last run; none of them outlives this process.
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
   * Ends all processes of this host at once, instead of waiting for their `keepAlive`. Running calls reject with a
   * RequestCancelledException. A later call starts anew. Nothing has to be closed for this process to end.
   */
  async close(): Promise<void> {
    const runs = await this.#runs?.catch(() => undefined); // there is nothing to end then
    await runs?.close(new RequestCancelledException("The host was closed."));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The code that runs functions is loaded by the first call. */
  #getRuns(): Promise<LocalRunsModule.LocalRuns> {
    if (this.#runs === undefined) {
      this.#runs = loadRuns().then(({ LocalRuns: Runs }) => new Runs(this.#options.cacheDirectory));
      // A later call tries again: there was no folder to keep environments in.
      this.#runs.catch(() => (this.#runs = undefined));
    }
    return this.#runs;
  }
}

/** Where a function calls another one, it lies beside the bundle. */
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
