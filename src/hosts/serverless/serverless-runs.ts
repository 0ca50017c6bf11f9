import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FalServerlessError, PlatformError } from "../../errors.ts";
import type { FunctionTarget } from "../../functions/function-target.ts";
import { logEntry, type LogEntry } from "../../functions/log-entry.ts";
import { runApplication } from "../../platform/application-run.ts";
import { isForReaders } from "../../platform/application-logs.ts";
import { buildEnvironment } from "../../platform/environment-build.ts";
import { collectFiles } from "../../platform/files/collect.ts";
import { syncFiles } from "../../platform/files/sync.ts";
import { abandonUploads } from "../../platform/files/unfinished-uploads.ts";
import { PlatformSession } from "../../platform/platform-session.ts";
import { runRequests, type RunRequests } from "../../platform/run-request.ts";
import type { TargetOptions } from "../../platform/target.ts";
import { decodeThrown } from "../../workers/thrown-codec.ts";
import { SharedWork } from "../local/environments/shared-work.ts";
import { callApp } from "./call-request.ts";
import { createFunctionImage } from "./function-image.ts";
import { machineSettings } from "./machine-settings.ts";
import { localStacks } from "./remote-stack.ts";
import { CALL_FORMAT, packed, readAnswer } from "./server/call-protocol.ts";

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

/** What the function prints last may arrive behind its result; it is waited for so long, in milliseconds. */
const LAST_LINES_MS = 250;
/** What the platform says of a run that broke off is waited for so long, in milliseconds. */
const LAST_WORDS_MS = 1_000;
/** A runner has so long to be ready, by default, in seconds. */
const STARTUP_TIMEOUT_S = 600;

/** Runs functions on a platform, each run as an app of its own that is deleted at its end. */
export class ServerlessRuns {
  readonly #options: ServerlessRunsOptions;
  /** What a function's app is run by, once its image is there. */
  readonly #prepared = new WeakMap<FunctionTarget, RunRequests>();
  readonly #preparations = new WeakMap<FunctionTarget, SharedWork<RunRequests, LogEntry>>();

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
    const app = runApplication(connection, requests.run, {
      name: target.name,
      signal: ending,
      onLog: (log) => {
        if (isForReaders(log)) listener.onLog(log);
      },
      onUrl,
    }).then(() => {
      throw new FalServerlessError("RUN_FAILED", `The platform ended the run of ${target.name}.`);
    });
    app.catch(() => {}); // it may fail while nobody waits for it
    try {
      const told = await Promise.race([url, app]);
      await this.#checkUrl(session, told);
      listener.onUrl?.(told);
      if (target.options.gateway.serve === true) {
        listener.onLog(logEntry(`served at ${told}`, "BRIDGE", "INFO"));
        return await app;
      }
      const call = this.#call(session, target, told, args, ending).catch((error: unknown) => {
        // That it broke off is less than why.
        const isBroken = error instanceof FalServerlessError && error.code === "RUN_FAILED";
        return isBroken ? endOf(app, error) : Promise.reject(error);
      });
      const value = await Promise.race([call, app]);
      await quiet(LAST_LINES_MS, ending);
      return value;
    } finally {
      over.abort();
      await app.catch(() => {});
    }
  }

  /**
   * Brings a function's image to the platform, once. Calls that come meanwhile wait for the same.
   */
  async #prepare(target: FunctionTarget, { signal, onLog }: RunListener): Promise<RunRequests> {
    let preparation = this.#preparations.get(target);
    if (preparation === undefined || preparation.isClosed) {
      preparation = new SharedWork((shared, log) => this.#build(target, shared, log));
      this.#preparations.set(target, preparation);
    }
    return preparation.join({ signal, log: onLog });
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
    url: string,
    args: readonly unknown[],
    signal: AbortSignal,
  ): Promise<unknown> {
    const { name, options } = target;
    const { credentials } = await session.target();
    const { startupTimeout = STARTUP_TIMEOUT_S } = options.host;
    const answer = await callApp({
      functionName: name,
      url,
      credentials,
      body: { format: CALL_FORMAT, args: packed(args) },
      readyBy: performance.now() + startupTimeout * 1000,
      signal,
    });
    const read = readOutcome(name, answer);
    if ("value" in read) return read.value;
    const error = decodeThrown(read.thrown);
    localStacks(error, (await target.bundle()).root);
    throw error;
  }

  /** The key goes to whoever is named, and must not go where it can be read on the way, unless it went so before. */
  async #checkUrl(session: PlatformSession, url: string): Promise<void> {
    const { endpoints } = await session.target();
    const isHttp = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
    if (isHttp && (new URL(url).protocol === "https:" || endpoints.grpc.isPlaintext)) return;
    throw new PlatformError(
      "PLATFORM_REFUSED",
      `The control plane at ${endpoints.grpc.host} tells an address of the function that no key is sent to: ` +
        `${isHttp ? new URL(url).origin : "it is no http(s) address"}.`,
    );
  }
}

function readOutcome(name: string, answer: unknown): ReturnType<typeof readAnswer> {
  try {
    return readAnswer(answer);
  } catch (error) {
    const message = `The call of ${name} was answered with something that is no result of a function; is it the function that answers?`;
    throw new FalServerlessError("RUN_FAILED", message, { cause: error });
  }
}

/** Rejects with what the platform says of the end, if it says so in time, else with what is known already. */
async function endOf(app: Promise<never>, error: unknown): Promise<never> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, LAST_WORDS_MS)));
  try {
    await Promise.race([app, late]);
  } finally {
    clearTimeout(timer);
  }
  throw error;
}

/** Waits, or until the signal is aborted. */
function quiet(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
