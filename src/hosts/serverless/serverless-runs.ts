import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { FalServerlessError, PlatformError } from "../../errors.ts";
import type { FunctionTarget } from "../../functions/host.ts";
import { logEntry, type LogEntry } from "../../functions/log-entry.ts";
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
import { EncodedCall, readOutcome, type Outcome } from "./call-messages.ts";
import { callApp, checkAppAddress, type CallRequest } from "./call-request.ts";
import { createFunctionImage } from "./function-image.ts";
import { machineSettings } from "./machine-settings.ts";
import { localStacks } from "./container-sources.ts";
import { END_OF_OUTPUT } from "./server/call-protocol.ts";

/** What runs are made with. */
export interface ServerlessRunsOptions {
  /** The control plane, and the key. */
  readonly target: TargetOptions;
  /** The environment of the control plane that functions run in; undefined for the main one. */
  readonly environmentName: string | undefined;
  readonly baseImage: string | undefined;
}

/** Whom to tell of a run. */
export interface RunListener {
  readonly signal: AbortSignal | undefined;
  onLog(entry: LogEntry): void;
  onUrl?(url: string): void;
}

/** What the function prints last may arrive behind its result; it is waited for so long at most, in milliseconds. */
const LAST_LINES_MS = 1_000;
/** What the platform says of a run that broke off is waited for so long, in milliseconds. */
const LAST_WORDS_MS = 1_000;

/** Runs functions on a platform, each run as an app of its own that is deleted at its end. */
export class ServerlessRuns {
  readonly #options: ServerlessRunsOptions;
  /** What a function's app is run by, once its image is there. */
  readonly #prepared = new WeakMap<FunctionTarget, RunRequests>();
  readonly #preparations = new SingleFlight<FunctionTarget, RunRequests, LogEntry>();

  constructor(options: ServerlessRunsOptions) {
    this.#options = options;
  }

  /** Runs a function: makes its image where it is not there yet, and an app of it. */
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
    let isTold = false;
    const app = runApplication(connection, requests.run, {
      name: target.name,
      signal: ending,
      onLog: (log) => output.tell(log),
      onUrl: (url) => {
        isTold = true;
        onUrl(url);
      },
    }).then(
      () => {
        throw new FalServerlessError("RUN_FAILED", `The platform ended the run of ${target.name}.`);
      },
      (error: unknown) => {
        // From then on the function may have begun.
        throw isTold && error instanceof PlatformError ? brokenOff(target.name, error) : error;
      },
    );
    app.catch(() => {
      // It may be the image that is there no longer: the next call has it looked for again.
      if (!isTold && !ending.aborted) this.#prepared.delete(target);
    });
    try {
      const told = await Promise.race([url, app]);
      checkAppAddress(told, (await session.target()).endpoints.grpc);
      listener.onUrl?.(told);
      if (target.options.gateway.serve === true) {
        listener.onLog(logEntry(`served at ${told}`, "BRIDGE", "INFO"));
        return await app;
      }
      // That a call broke off is less than why.
      const explain = (error: Error): Promise<unknown> => lastWords(app, error);
      const call = this.#call(session, target, args, { url: told, explain, signal: ending });
      const outcome = await Promise.race([call, app]);
      await before(LAST_LINES_MS, output.ended(), ending);
      if ("value" in outcome) return outcome.value;
      localStacks(outcome.thrown, (await target.bundle()).root);
      throw outcome.thrown;
    } finally {
      over.abort();
      await app.catch(() => {});
    }
  }

  /**
   * Brings a function's image to the platform, once. Calls that come meanwhile wait for the same.
   */
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
    const tell = (message: string): void => log(logEntry(message, "BRIDGE", "INFO"));
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
      tell(`building its image at ${endpoints.grpc.host}`);
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

/** What the platform says of the end, if it says so in time, else what is known already. */
async function lastWords(app: Promise<never>, error: Error): Promise<unknown> {
  try {
    await before(LAST_WORDS_MS, app, undefined);
    return error;
  } catch (told) {
    return told;
  }
}

/** Waits for something, but not for long, and not after the signal is aborted. @throws what that throws */
async function before(
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

/** The server says it once to each of the two. */
const STREAMS = 2;

/** What is printed by an app that answers one call, and when all of it has come. */
class AppOutput {
  readonly #onLog: (entry: LogEntry) => void;
  #left = STREAMS;
  readonly #ended: Promise<void>;
  #end!: () => void;

  constructor(onLog: (entry: LogEntry) => void) {
    this.#onLog = onLog;
    this.#ended = new Promise((resolve) => (this.#end = resolve));
  }

  /** Takes a line, and passes it on unless it is the machinery's own. */
  tell(entry: LogEntry): void {
    if (entry.source === "USER" && entry.message === END_OF_OUTPUT) {
      this.#left--;
      if (this.#left === 0) this.#end();
    } else if (entry.source === "USER" || isForReaders(entry)) this.#onLog(entry);
  }

  /** Resolves when all that was printed before the call ended has come. It may never. */
  ended(): Promise<void> {
    return this.#ended;
  }
}
