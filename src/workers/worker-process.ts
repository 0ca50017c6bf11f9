import { fork, type ChildProcess } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import type { Clock } from "../dispatch/clock.ts";
import { StartupError, WorkerDiedException } from "../errors.ts";
import { endGroup, endTree, LEADS_GROUP } from "../processes/process-tree.ts";
import { asError } from "../answers.ts";
import { registersTypeScript, workerEnvironment, workerOptions } from "./child-environment.ts";
import type { FromWorker, LogMessage, ResultMessage, ThrownMessage, ToWorker } from "./protocol.ts";
import { contentOf } from "../processes/own-messages.ts";
import { RunningCall, type PoolCall } from "./running-call.ts";
import { childArguments } from "../processes/parent-watch.ts";
import { VitalSigns, type WatchedWorker } from "./vital-signs.ts";
import { decodeThrown } from "../processes/thrown-codec.ts";

const ENTRY = fileURLToPath(new URL(`./entry${extname(import.meta.url)}`, import.meta.url));

/**
 * The end of a process and that of its channel are told one after the other; the second brings what was still on its
 * way. It is waited for so long, in milliseconds.
 */
const LAST_WORDS_MS = 1000;

/** What a worker process is started with, and whom it tells of itself. */
export interface WorkerProcessParts {
  readonly moduleUrl: string;
  readonly className: string;
  /** What its environment has beside this process's. */
  readonly environment: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly log: Logger;
  /** A call may be past its deadline for so long, in milliseconds, before it is ended with its process. */
  readonly stuckGraceMs: number;
  /** It is set up and can take its first call. */
  onReady(): void;
  /** It has answered a call and can take the next one. */
  onIdle(): void;
  /** It is no more, and why. Told before its running call is rejected. */
  onEnd(reason: unknown): void;
}

/** One worker process, as the main process sees it. It runs one call at a time. */
export class WorkerProcess implements WatchedWorker {
  readonly #parts: WorkerProcessParts;
  readonly #signs: VitalSigns;
  readonly #child: ChildProcess;
  #running: RunningCall | undefined;
  #calls = 0;
  #logLevel: string;
  #isReady = false;
  #isStopping = false;
  #hasEnded = false;
  #setupFailure: { readonly error: unknown } | undefined;
  /** How the process ended, in words. */
  #exit: string | undefined;

  /** Starts the process. @throws what the operating system says when it can't */
  constructor(parts: WorkerProcessParts) {
    this.#parts = parts;
    this.#signs = new VitalSigns(parts.stuckGraceMs);
    const { moduleUrl, className, environment, log } = parts;
    this.#logLevel = log.level;
    this.#child = fork(ENTRY, childArguments(className), {
      execArgv: workerOptions(),
      env: workerEnvironment(environment),
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      ...LEADS_GROUP,
    });
    this.#child.on("message", (message: unknown) => {
      const own = contentOf<FromWorker>(message);
      if (own !== undefined) this.#receive(own);
    });
    this.#child.once("exit", (code, signal) => this.#onExit(code, signal));
    this.#child.once("disconnect", () => this.#onDisconnect());
    // Of a started process it says only that a message could not be sent; its end is told by itself.
    this.#child.on("error", (error) => {
      if (this.#child.pid === undefined) this.#end(error);
    });
    const registers = registersTypeScript(moduleUrl);
    this.#send({ type: "start", moduleUrl, className, registersTypeScript: registers, logLevel: log.level });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isIdle(): boolean {
    return this.#isReady && !this.#isStopping && this.#running === undefined;
  }

  get finishBy(): number {
    return this.#running?.finishBy ?? Infinity;
  }

  ping(): void {
    this.#send({ type: "ping" });
  }

  /** Ends the process if it is stuck; says whether it was. */
  look(): boolean {
    if (this.#hasEnded || this.#exit !== undefined) return false;
    const { clock, log, className } = this.#parts;
    const why = this.#signs.look(this, clock.now());
    if (why === undefined) return false;
    const route = this.#running?.route;
    log.error(
      { pid: this.pid, ...(route && { route }) },
      `a worker of ${className} is stuck (${why}): it is ended`,
    );
    this.kill();
    return true;
  }

  /** Runs a call. The worker must be idle. */
  run(call: PoolCall): Promise<unknown> {
    const { log, onIdle } = this.#parts;
    if (log.level !== this.#logLevel) {
      this.#logLevel = log.level;
      this.#send({ type: "level", logLevel: log.level });
    }
    const running = new RunningCall(++this.#calls, call, (message) => this.#send(message));
    try {
      this.#send(running.message);
    } catch (error) {
      onIdle.call(this.#parts);
      const why = error instanceof Error ? error.message : String(error);
      return Promise.reject(
        new TypeError(`The input of ${call.route} can't be sent to a worker: ${why}`, { cause: error }),
      );
    }
    this.#running = running;
    running.watch();
    return running.promise;
  }

  /** Lets the running call end and the worker tear down. One that is not set up yet has nothing to tear down. */
  stop(): void {
    this.#isStopping = true;
    if (this.#isReady) this.#send({ type: "stop" });
    else this.kill();
  }

  /** Ends the process at once. */
  kill(): void {
    // Not once it has ended: its number may be another's.
    if (this.#child.pid !== undefined && this.#exit === undefined) endTree(this.#child.pid);
  }

  #send(message: ToWorker): void {
    // One that could not be started has no channel; Node tells of it by an event.
    if (this.#child.pid !== undefined) this.#child.send(message);
  }

  #receive(message: FromWorker): void {
    this.#signs.answered();
    if (message.type === "result" || message.type === "thrown") this.#finish(message);
    else if (message.type === "log") this.#log(message);
    else if (message.type === "ready") {
      this.#isReady = true;
      if (this.#isStopping) this.#send({ type: "stop" });
      else this.#parts.onReady();
    } else if (message.type === "failed") {
      this.#setupFailure = { error: decodeThrown(message.thrown) };
      this.kill();
    }
  }

  #finish(message: ResultMessage | ThrownMessage): void {
    const running = this.#running;
    if (running?.message.id !== message.id) return;
    this.#running = undefined;
    if (!this.#isStopping) this.#parts.onIdle();
    running.finish(message);
  }

  #log({ level, fields, text }: LogMessage): void {
    const { log } = this.#parts;
    if (text === undefined) log[level](fields);
    else log[level](fields, text);
  }

  #onExit(code: number | null, signal: string | null): void {
    if (this.#child.pid !== undefined) endGroup(this.#child.pid);
    this.#exit = signal === null ? `exit code ${code}` : `killed by ${signal}`;
    if (this.#child.connected) this.#parts.clock.after(LAST_WORDS_MS, () => this.#end());
    else this.#end();
  }

  #onDisconnect(): void {
    if (this.#exit !== undefined) return this.#end();
    this.kill(); // nothing can be said to it any more
    this.#parts.clock.after(LAST_WORDS_MS, () => this.#end());
  }

  #end(failure?: Error): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const running = this.#running;
    this.#running = undefined;
    const { error } = this.#setupFailure ?? {};
    const reason =
      this.#setupFailure === undefined ? this.#describeEnd(running, failure) : asError(error, "setup");
    this.#parts.onEnd(reason);
    running?.fail(reason);
  }

  #describeEnd(running: RunningCall | undefined, failure: Error | undefined): Error {
    const { className } = this.#parts;
    if (failure !== undefined) {
      const message = `A worker of ${className} could not be started: ${failure.message}`;
      return new StartupError("SETUP_FAILED", message, { cause: failure });
    }
    const how = this.#exit ?? "no answer any more";
    if (running !== undefined || this.#isReady) return new WorkerDiedException(how);
    return new StartupError("SETUP_FAILED", `A worker of ${className} ended before it was set up (${how}).`);
  }
}
