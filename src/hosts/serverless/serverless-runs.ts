import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { FalServerlessError, PlatformError } from "../../errors.ts";
import type { FunctionTarget } from "../../functions/host.ts";
import { logEntry, type LogEntry } from "../../log-entry.ts";
import { runApplication } from "../../platform/deployment/application-run.ts";
import { isForReaders } from "../../platform/deployment/application-logs.ts";
import { buildEnvironment } from "../../platform/deployment/environment-build.ts";
import { collectFiles } from "../../build-context/collected-files.ts";
import { syncFiles } from "../../platform/files/sync.ts";
import { abandonUploads } from "../../platform/files/resumable-uploads.ts";
import { PlatformSession } from "../../platform/transport/platform-session.ts";
import { runRequests, type RunRequests } from "../../platform/deployment/run-request.ts";
import type { TargetOptions } from "../../platform/target/target.ts";
import { SingleFlight } from "../../processes/single-flight.ts";
import { SETTINGS } from "../../settings/settings.ts";
import type { RunListener } from "../spawned-run.ts";
import { EncodedCall, readOutcome, type Outcome } from "./call-messages.ts";
import { callApp, checkAppAddress, type CallRequest } from "./call-request.ts";
import { createFunctionImage, machineSettings } from "./function-image.ts";
import { localStacks } from "./container-sources.ts";
import { END_OF_OUTPUT } from "./server/call-protocol.ts";

/** Options of {@link ServerlessRuns}. */
export interface ServerlessRunsOptions {
  /** The control plane, and the key. */
  readonly target: TargetOptions;
  /** The control plane's environment for functions; undefined for the main one. */
  readonly environmentName: string | undefined;
  readonly baseImage: string | undefined;
}

/** Maximum wait for output that arrives after the function's result, in ms. */
const LAST_LINES_MS = 1_000;
/** Maximum wait for the platform's reason for a broken connection, in ms. */
const REASON_MS = 1_000;

/** Runs functions on a platform. Each run has a separate app, which is deleted at the end of the run. */
export class ServerlessRuns {
  readonly #options: ServerlessRunsOptions;
  /** The requests that run a function's app, once its image exists. */
  readonly #prepared = new WeakMap<FunctionTarget, RunRequests>();
  readonly #preparations = new SingleFlight<FunctionTarget, RunRequests, LogEntry>();

  constructor(options: ServerlessRunsOptions) {
    this.#options = options;
  }

  /** Runs a function: builds its image if it does not exist, then runs an app of it. */
  async run(target: FunctionTarget, args: readonly unknown[], listener: RunListener): Promise<unknown> {
    const { signal } = listener;
    signal?.throwIfAborted();
    const requests = this.#prepared.get(target) ?? (await this.#prepare(target, listener));
    using session = new PlatformSession(this.#options.target);
    const { connection } = await session.grpc();
    const over = new AbortController();
    const ending = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
    let onUrl!: (url: string) => void;
    const url = new Promise<string>((resolve) => (onUrl = resolve));
    const output = new AppOutput(listener.onLog);
    let hasUrl = false;
    const app = runApplication(connection, requests.run, {
      name: target.name,
      signal: ending,
      onLog: (log) => output.add(log),
      onUrl: (url) => {
        hasUrl = true;
        onUrl(url);
      },
    }).then(
      () => {
        throw new FalServerlessError("RUN_FAILED", `The platform ended the run of ${target.name}.`);
      },
      (error: unknown) => {
        // Once the address is known, the function may have started.
        throw hasUrl && error instanceof PlatformError ? brokenOff(target.name, error) : error;
      },
    );
    app.catch(() => {
      // The image may have been deleted: the next call looks for it again.
      if (!hasUrl && !ending.aborted) this.#prepared.delete(target);
    });
    try {
      const address = await Promise.race([url, app]);
      checkAppAddress(address, (await session.target()).endpoints.grpc);
      listener.onUrl?.(address);
      if (target.options.gateway.serve === true) {
        listener.onLog(logEntry(`served at ${address}`, "BRIDGE", "INFO"));
        return await app;
      }
      // The platform's reason says more than the broken connection.
      const explain = (error: Error): Promise<unknown> => platformReason(app, error);
      const call = this.#call(session, target, args, { url: address, explain, signal: ending });
      const outcome = await Promise.race([call, app]);
      await waitAtMost(LAST_LINES_MS, output.ended(), ending);
      if ("value" in outcome) return outcome.value;
      localStacks(outcome.thrown, (await target.bundle()).root);
      throw outcome.thrown;
    } finally {
      over.abort();
      await app.catch(() => {});
    }
  }

  /** Builds a function's image on the platform. Concurrent calls share one build. */
  #prepare(target: FunctionTarget, { signal, onLog }: RunListener): Promise<RunRequests> {
    return this.#preparations.run(target, { signal, log: onLog }, (shared, log) =>
      this.#build(target, shared, log),
    );
  }

  async #build(
    target: FunctionTarget,
    signal: AbortSignal,
    log: (entry: LogEntry) => void,
  ): Promise<RunRequests> {
    const inform = (message: string): void => log(logEntry(message, "BRIDGE", "INFO"));
    const warn = (message: string): void => log(logEntry(message, "BRIDGE", "WARNING"));
    using session = new PlatformSession(this.#options.target);
    const folder = await mkdtemp(join(tmpdir(), "servable-function-"));
    try {
      const { baseImage, environmentName } = this.#options;
      const image = await createFunctionImage(target, { baseImage, folder, onWarning: warn });
      signal.throwIfAborted();
      const { send: rest } = await session.rest();
      const files = await collectFiles({ context: folder, ignore: [], signal });
      const synced = await syncFiles({ files, rest, signal, onWarning: warn }).catch(
        async (error: unknown) => {
          await abandonUploads(rest);
          throw error;
        },
      );
      const { secrets, dataMounts } = target.options.host;
      const requests = runRequests(
        {
          image: image.toDict(),
          machine: machineSettings(target.options),
          environment: environmentName,
          healthCheck: { path: "/health" },
          secrets,
          dataMounts,
          noCache: target.options.environment.force,
        },
        synced.files,
      );
      const { connection } = await session.grpc();
      const { endpoints } = await session.target();
      inform(`building its image at ${endpoints.grpc.host}`);
      await buildEnvironment(connection, requests.build, {
        appName: target.name,
        signal,
        onLog: (entry) => {
          if (isForReaders(entry)) log(entry);
        },
      });
      this.#prepared.set(target, requests);
      return requests;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #call(
    session: PlatformSession,
    target: FunctionTarget,
    args: readonly unknown[],
    request: Pick<CallRequest, "url" | "explain" | "signal">,
  ): Promise<Outcome> {
    const { name, options } = target;
    const { credentials } = await session.target();
    const { startupTimeout = SETTINGS.startupTimeout.default } = options.host;
    const answer = await callApp({
      ...request,
      functionName: name,
      credentials,
      body: new EncodedCall(name, args),
      readyBy: performance.now() + startupTimeout * 1000,
    });
    return readOutcome(name, answer);
  }
}

function brokenOff(name: string, cause: PlatformError): FalServerlessError {
  return new FalServerlessError("RUN_FAILED", `The run of ${name} broke off: ${cause.message}`, { cause });
}

/** The platform's reason for the end of the app if it arrives in time, otherwise the error itself. */
async function platformReason(app: Promise<never>, error: Error): Promise<unknown> {
  try {
    await waitAtMost(REASON_MS, app, undefined);
    return error;
  } catch (reason) {
    return reason;
  }
}

/** Waits for a promise, at most until the time is up or the signal is aborted. @throws the promise's rejection */
async function waitAtMost(
  ms: number,
  something: Promise<unknown>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const over = new AbortController();
  const any = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]);
  try {
    await Promise.race([something, delay(ms, undefined, { signal: any }).catch(() => {})]);
  } finally {
    over.abort();
  }
}

/** The server prints the end of the output once to each of its two streams. */
const STREAMS = 2;

/** The output of an app that answers one call. */
class AppOutput {
  readonly #onLog: (entry: LogEntry) => void;
  #left = STREAMS;
  readonly #ended: Promise<void>;
  #end!: () => void;

  constructor(onLog: (entry: LogEntry) => void) {
    this.#onLog = onLog;
    this.#ended = new Promise((resolve) => (this.#end = resolve));
  }

  /** Passes a line on unless it is internal. */
  add(entry: LogEntry): void {
    if (entry.source === "USER" && entry.message === END_OF_OUTPUT) {
      this.#left--;
      if (this.#left === 0) this.#end();
    } else if (entry.source === "USER" || isForReaders(entry)) this.#onLog(entry);
  }

  /** Resolves when the output of the call is complete. May never resolve. */
  ended(): Promise<void> {
    return this.#ended;
  }
}
