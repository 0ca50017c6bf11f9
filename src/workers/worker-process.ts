import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import type { Clock } from "../dispatch/clock.ts";
import { StartupError, WorkerDiedException } from "../errors.ts";
import { asError } from "../answers.ts";
import { registersTypeScript, workerEnvironment, workerNodeOptions } from "./child-environment.ts";
import type {
  AskMessage,
  FromWorker,
  LogMessage,
  ResultMessage,
  ThrownMessage,
  ToWorker,
  UnbegunMessage,
} from "./protocol.ts";
import { Reservations, type ReserveFile } from "./reservations.ts";
import { NOT_BEGUN, refusalOf, WorkerCall, type PoolCall } from "./running-call.ts";
import { ForkChannel, describeExit, type WorkerEnd } from "../processes/worker-channel.ts";
import { VitalSigns, type WatchedWorker } from "./vital-signs.ts";
import { decodeThrown } from "../processes/thrown-codec.ts";

const ENTRY = fileURLToPath(new URL(`./entry${extname(import.meta.url)}`, import.meta.url));

/** Options and listeners of a {@link WorkerProcess}. */
export interface WorkerProcessParts {
  readonly moduleUrl: string;
  readonly className: string;
  /** Variables in addition to those of this process. */
  readonly environment: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Maximum time a call may exceed its deadline before its process is ended, in milliseconds. */
  readonly stuckGraceMs: number;
  /** Reserves the URLs that handlers ask for. */
  readonly reserve: ReserveFile | undefined;
  /** Called when the worker is set up and can take its first call. */
  onReady(): void;
  /** Called when the worker has answered a call and can take the next one. */
  onIdle(): void;
  /** Called with the reason when the worker has ended, before its running call is rejected. */
  onEnd(reason: unknown): void;
}

/** The main process's side of a worker process, which runs one call at a time. */
export class WorkerProcess implements WatchedWorker {
  readonly #parts: WorkerProcessParts;
  readonly #signs: VitalSigns;
  readonly #channel: ForkChannel<ToWorker, FromWorker>;
  /** The running call, and after it those that wait in the worker. */
  readonly #running: WorkerCall[] = [];
  readonly #reservations: Reservations;
  #calls = 0;
  #logLevel: string;
  #isReady = false;
  #isStopping = false;
  #setupFailure: { readonly error: unknown } | undefined;

  /** Starts the process. @throws the operating system's error if it can't be started */
  constructor(parts: WorkerProcessParts) {
    this.#parts = parts;
    this.#signs = new VitalSigns(parts.stuckGraceMs);
    const { moduleUrl, className, environment, log, reserve } = parts;
    this.#reservations = new Reservations(reserve, log);
    this.#logLevel = log.level;
    this.#channel = new ForkChannel(
      {
        program: ENTRY,
        nodeOptions: workerNodeOptions(),
        environment: workerEnvironment(environment),
        title: className,
        output: "inherit",
        endsWithChannel: true,
      },
      { onMessage: (message) => this.#receive(message), onEnd: (end) => this.#end(end) },
    );
    const registers = registersTypeScript(moduleUrl);
    this.#channel.send({
      type: "start",
      moduleUrl,
      className,
      registersTypeScript: registers,
      logLevel: log.level,
    });
  }

  get pid(): number | undefined {
    return this.#channel.pid;
  }

  get isIdle(): boolean {
    return this.#isReady && !this.#isStopping && this.#running.length === 0;
  }

  get finishBy(): number {
    return this.#running[0]?.finishBy ?? Infinity;
  }

  ping(): void {
    this.#channel.send({ type: "ping" });
  }

  /** Ends the process if it is stuck. Returns whether it was. */
  check(): boolean {
    if (this.#channel.hasExited) return false;
    const { clock, log, className } = this.#parts;
    const why = this.#signs.check(this, clock.now());
    if (why === undefined) return false;
    const route = this.#running[0]?.route;
    log.error(
      { pid: this.pid, ...(route && { route }) },
      `a worker of ${className} is stuck (${why}): it is ended`,
    );
    this.kill();
    return true;
  }

  /**
   * Runs calls, one after the other. The worker must be idle. The promise of a call that it has not begun rejects with
   * {@link NOT_BEGUN} if it ends, or if the call before them takes long.
   */
  run(calls: readonly PoolCall[]): Promise<unknown>[] {
    const { log, onIdle } = this.#parts;
    if (log.level !== this.#logLevel) {
      this.#logLevel = log.level;
      this.#channel.send({ type: "level", logLevel: log.level });
    }
    const answers: Promise<unknown>[] = [];
    const fresh: WorkerCall[] = [];
    for (const call of calls) {
      try {
        const made = new WorkerCall(++this.#calls, call, (message) => this.#channel.send(message));
        fresh.push(made);
        answers.push(made.promise);
      } catch (error) {
        answers.push(Promise.reject(refusalOf(call.route, error)));
      }
    }
    const errors = this.#channel.sendAll(fresh.map(({ message }) => message));
    for (const [index, made] of fresh.entries()) {
      if (errors.has(index)) made.refuse(errors.get(index));
      else {
        this.#running.push(made);
        made.watch();
      }
    }
    if (this.#running.length === 0) onIdle.call(this.#parts);
    return answers;
  }

  /** Lets the worker finish its running call, run teardown and end. A worker that is not set up yet is killed. */
  stop(): void {
    this.#isStopping = true;
    if (this.#isReady) this.#channel.send({ type: "stop" });
    else this.kill();
  }

  /** Ends the process immediately. */
  kill(): void {
    this.#channel.kill();
  }

  #receive(message: FromWorker): void {
    this.#signs.answered();
    if (message.type === "result" || message.type === "thrown") this.#finish(message);
    else if (message.type === "item") this.#callOf(message)?.receive(message);
    else if (message.type === "begin") this.#callOf(message)?.begin();
    else if (message.type === "log") this.#log(message);
    else if (message.type === "unbegun") this.#return(message);
    else if (message.type === "ask") void this.#answer(message);
    else if (message.type === "ready") {
      this.#isReady = true;
      if (this.#isStopping) this.#channel.send({ type: "stop" });
      else this.#parts.onReady();
    } else if (message.type === "failed") {
      this.#setupFailure = { error: decodeThrown(message.thrown) };
      this.kill();
    }
  }

  async #answer(message: AskMessage): Promise<void> {
    const { ask } = message;
    const call = ask.kind === "reserve" ? this.#callOf({ id: ask.call }) : undefined;
    this.#channel.send(await this.#reservations.answer(message, call?.contexts));
  }

  /** The call that a message belongs to. */
  #callOf({ id }: { readonly id: number }): WorkerCall | undefined {
    return this.#running.find((call) => call.message.id === id);
  }

  #finish(message: ResultMessage | ThrownMessage): void {
    const call = this.#callOf(message);
    if (call === undefined) return;
    this.#remove(call);
    call.finish(message);
  }

  #return({ ids }: UnbegunMessage): void {
    for (const id of ids) {
      const call = this.#callOf({ id });
      if (call === undefined) continue;
      this.#remove(call);
      call.fail(NOT_BEGUN);
    }
  }

  #remove(call: WorkerCall): void {
    this.#running.splice(this.#running.indexOf(call), 1);
    if (this.#running.length === 0 && !this.#isStopping) this.#parts.onIdle();
  }

  #log({ level, fields, text }: LogMessage): void {
    const { log } = this.#parts;
    if (text === undefined) log[level](fields);
    else log[level](fields, text);
  }

  #end(end: WorkerEnd): void {
    this.#reservations.end();
    const [running, ...waiting] = this.#running.splice(0);
    const failure = this.#setupFailure;
    const reason = failure === undefined ? this.#describeEnd(running, end) : asError(failure.error, "setup");
    this.#parts.onEnd(reason);
    running?.fail(reason);
    for (const call of waiting) call.fail(NOT_BEGUN);
  }

  #describeEnd(running: WorkerCall | undefined, end: WorkerEnd): Error {
    const { className } = this.#parts;
    if (end.error !== undefined) {
      const message = `A worker of ${className} could not be started: ${end.error.message}`;
      return new StartupError("SETUP_FAILED", message, { cause: end.error });
    }
    const how = describeExit(end);
    if (running !== undefined || this.#isReady) return new WorkerDiedException(how);
    return new StartupError("SETUP_FAILED", `A worker of ${className} ended before it was set up (${how}).`);
  }
}
