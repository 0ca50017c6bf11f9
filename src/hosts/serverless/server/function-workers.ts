import { logEntry, type LogEntry } from "../../../log-entry.ts";
import { BUNDLE_FILES } from "../../../functions/bundle/bundle.ts";
import { LONGEST_TIMER_MS } from "../../../processes/timers.ts";
import { ForkChannel } from "../../../processes/worker-channel.ts";
import type { Run } from "../../local/function-worker.ts";
import { WorkerGroup } from "../../local/worker-group.ts";
import { END_OF_OUTPUT } from "./call-protocol.ts";
import type { ServerSettings } from "./container-layout.ts";

/** Maximum time for a served function to complete its requests after a stop signal, in ms: the platforms' own limit. */
const DRAIN_MS = 3_600_000;

/** The files and variables of a function's processes. */
export interface WorkerSurroundings {
  /** Path of the folder with the function's bundle. */
  readonly bundle: string;
  /** The container's variables. */
  readonly environment: NodeJS.ProcessEnv;
  /** The address that a served function listens on. */
  readonly host: string;
  /** Called once a served function listens. */
  readonly onListening: (url: string) => void;
}

/** The processes that run the function. The server keeps working if one of them is busy or dies. */
export class FunctionWorkers {
  readonly #settings: ServerSettings;
  readonly #surroundings: WorkerSurroundings;
  readonly #group: WorkerGroup;

  constructor(settings: ServerSettings, surroundings: WorkerSurroundings) {
    const { bundle, environment } = surroundings;
    this.#surroundings = surroundings;
    const { functionName, moduleUrl, entry, served, maxCalls, startupTimeout, variables } = settings;
    this.#settings = settings;
    this.#group = new WorkerGroup({
      maxWorkers: maxCalls,
      // The platform decides when the container ends.
      keepAliveMs: served === undefined ? LONGEST_TIMER_MS : 0,
      onStartFailed() {},
      onFirstWorker() {},
      onLastWorkerEnded() {},
      worker: {
        functionName,
        moduleUrl,
        entry,
        startupTimeoutMs: startupTimeout * 1000,
        memoryLimitMb: undefined,
        start: (listener) =>
          new ForkChannel(
            {
              program: `${bundle}/${BUNDLE_FILES.runner}`,
              node: process.execPath,
              nodeOptions: ["--enable-source-maps"],
              environment: { ...environment, ...variables },
              directory: bundle,
              title: functionName,
            },
            listener,
          ),
      },
    });
  }

  /** Calls the function. @throws the function's error; the signal's reason */
  async call(args: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    const { requestTimeout } = this.#settings;
    try {
      return await this.#start({ args }, requestTimeout, signal);
    } finally {
      for (const level of ["STDOUT", "STDERR"] as const) print(logEntry(END_OF_OUTPUT, "BRIDGE", level));
    }
  }

  /** Serves the function until the signal is aborted. `close()` then waits for the running requests. */
  async serve(signal: AbortSignal): Promise<void> {
    const { port, served, requestTimeout } = this.#settings;
    const { metricsPort = 0, schemas = {} } = served ?? {};
    const timeoutMs = requestTimeout === undefined ? {} : { timeoutMs: requestTimeout * 1000 };
    const work = { host: this.#surroundings.host, port, metricsPort, schemas, ...timeoutMs };
    try {
      await this.#start(work, undefined, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /**
   * Ends all processes. Waits before that for cancelled calls, up to one second, and for running requests of a served
   * function, up to the platforms' limit.
   */
  async close(reason: unknown): Promise<void> {
    // Processes of cancelled runs do not keep this process alive.
    const keeper = setInterval(() => {}, LONGEST_TIMER_MS);
    try {
      await this.#group.idle();
      await this.#group.close(reason);
    } finally {
      clearInterval(keeper);
    }
  }

  #start(work: Run["work"], timeoutS: number | undefined, signal: AbortSignal): Promise<unknown> {
    signal.throwIfAborted();
    return this.#group.call(
      {
        work,
        timeoutMs: timeoutS === undefined ? undefined : timeoutS * 1000,
        ...("args" in work ? {} : { cancelGraceMs: DRAIN_MS }),
        onLog: print,
        onListening: (url) => {
          print(logEntry(`listening at ${url}`, "BRIDGE", "INFO"));
          this.#surroundings.onListening(url);
        },
      },
      signal,
    );
  }
}

/** Prints a line as output of the container, which the platform reads. */
function print({ message, level }: LogEntry): void {
  (level === "STDERR" ? process.stderr : process.stdout).write(`${message}\n`);
}
