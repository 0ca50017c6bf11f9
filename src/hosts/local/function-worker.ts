import { FalServerlessError, RequestTimeoutException, UserFunctionException } from "../../errors.ts";
import type { FunctionEntry } from "../../functions/host.ts";
import { logEntry, type LogEntry } from "../../log-entry.ts";
import type {
  FailureOrigin,
  FromRunner,
  RunMessage,
  ServeMessage,
  ToRunner,
} from "../../functions/runner/protocol.ts";
import { serializationFailure } from "../../functions/serializable-values.ts";
import { decodeThrown, encodeThrown, type WireThrown } from "../../processes/thrown-codec.ts";
import { describeEnd } from "./worker-end.ts";
import { OutputLines } from "./output-lines.ts";
import type { StartChannel, WorkerChannel, WorkerEnd } from "../../processes/worker-channel.ts";

/** Starts a process that runs the runner. */
type StartRunner = StartChannel<ToRunner, FromRunner>;

/** How workers are started, and their maximum number; undefined for no limit. */
export interface LaunchedWorkers {
  readonly start: StartRunner;
  readonly maxWorkers?: number;
}

/** Options and listeners of a {@link FunctionWorker}. */
export interface FunctionWorkerParts {
  readonly start: StartRunner;
  readonly functionName: string;
  readonly moduleUrl: string;
  readonly entry: FunctionEntry;
  /** `file:` URL of the only folder to find packages in. Set if a folder above it has packages too. */
  readonly environment?: string | undefined;
  /** Maximum time to load and set up the function, in milliseconds; undefined for no limit. */
  readonly startupTimeoutMs: number | undefined;
  /** The memory limit in megabytes, for messages. */
  readonly memoryLimitMb: number | undefined;
  /** Called when the worker is set up and can take its first run. */
  onReady(worker: FunctionWorker): void;
  /** Called when a run has ended and the worker can take the next one. */
  onIdle(worker: FunctionWorker): void;
  /** Called with the reason when the worker has ended, after its run was rejected. */
  onEnd(worker: FunctionWorker, reason: unknown): void;
  /** Called with each line of output while the worker starts. */
  onLog(entry: LogEntry): void;
}

/** A call of a function: its arguments, and the span to continue. */
export type FunctionCall = Pick<RunMessage, "args" | "trace">;

/** A run that is passed to a worker. */
export interface Run {
  /**
   * The arguments of a call, or the addresses of a served function. Without `host`, it is served on this machine only.
   */
  readonly work:
    FunctionCall | (Omit<ServeMessage, "type" | "id" | "host"> & Partial<Pick<ServeMessage, "host">>);
  /** Maximum time of the run, in milliseconds; undefined for no limit. */
  readonly timeoutMs: number | undefined;
  /** Maximum time for the run to end after it was cancelled, in milliseconds. Default 1000. */
  readonly cancelGraceMs?: number;
  onLog(entry: LogEntry): void;
  onListening(url: string): void;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

interface Running {
  readonly id: number;
  readonly run: Run;
  /** Number of output streams that are complete for this run. */
  endedStreams: number;
  /** Reports the result of the run; called once its output is complete. */
  outcome: (() => void) | undefined;
  /** Whether the caller's promise has settled. */
  isSettled: boolean;
  timer: NodeJS.Timeout | undefined;
}

/** Time after which the process of a cancelled run is killed if the run has not ended, in milliseconds. */
const CANCEL_GRACE_MS = 1000;
/** Time after which a stopped worker is killed if it has not ended, in milliseconds. */
const STOP_GRACE_MS = 1000;
/** Maximum wait for the rest of the output after the end of a run, in milliseconds. */
const OUTPUT_MS = 1000;
/** Number of output streams, each of which gets a mark at the end of a run. */
const STREAMS = 2;

/** The process of a function, which runs one call at a time. */
export class FunctionWorker {
  readonly #parts: FunctionWorkerParts;
  readonly #channel: WorkerChannel<ToRunner>;
  readonly #startTimer: NodeJS.Timeout | undefined;
  #stopTimer: NodeJS.Timeout | undefined;
  #running: Running | undefined;
  #runs = 0;
  #isReady = false;
  #hasEnded = false;
  /** The reason why the worker is being ended, if known. */
  #reason: { readonly error: unknown } | undefined;
  #outOfMemoryBytes: number | undefined;
  /** The last lines on standard error, which may explain the end of the process. */
  #lastLines: string[] = [];

  constructor(parts: FunctionWorkerParts) {
    this.#parts = parts;
    const { functionName, moduleUrl, entry, environment, startupTimeoutMs } = parts;
    this.#channel = parts.start({
      onMessage: (message) => this.#receive(message),
      onEnd: (end) => this.#end(end),
    });
    this.#read("STDOUT");
    this.#read("STDERR");
    if (startupTimeoutMs !== undefined) {
      this.#startTimer = setTimeout(() => this.#startTooLong(startupTimeoutMs), startupTimeoutMs);
      this.#startTimer.unref();
    }
    const guarded = environment === undefined ? {} : { environment };
    this.#channel.send({ type: "load", moduleUrl, functionName, entry, ...guarded });
  }

  get pid(): number | undefined {
    return this.#channel.pid;
  }

  /** Whether the worker was ever ready. */
  get wasReady(): boolean {
    return this.#isReady;
  }

  /** Whether this process stays alive for the worker while it runs nothing. */
  hold(isHeld: boolean): void {
    this.#channel.hold(isHeld);
  }

  /** Starts a run. The worker must be ready and idle. */
  run(run: Run): void {
    const id = ++this.#runs;
    const running: Running = {
      id,
      run,
      endedStreams: 0,
      outcome: undefined,
      isSettled: false,
      timer: undefined,
    };
    this.#running = running;
    this.#lastLines = [];
    this.#channel.hold(true);
    const { work, timeoutMs } = run;
    try {
      if ("args" in work) this.#channel.send({ type: "run", id, ...work });
      else this.#channel.send({ type: "serve", id, host: "127.0.0.1", ...work });
    } catch (error) {
      this.#running = undefined;
      const args = "args" in work ? work.args : [];
      run.reject(serializationFailure(error, args, `the arguments of ${this.#parts.functionName}`));
      this.#rest();
      return;
    }
    if (timeoutMs !== undefined) {
      const message = `${this.#parts.functionName} ran longer than its requestTimeout of ${timeoutMs / 1000} s.`;
      running.timer = setTimeout(
        () => this.cancel(run, new RequestTimeoutException(timeoutMs, message)),
        timeoutMs,
      );
    }
  }

  /** Rejects a run with a reason, aborts its handler's signal, and kills the process if the handler does not stop. */
  cancel(run: Run, reason: unknown): void {
    const running = this.#running;
    if (running?.run !== run || running.isSettled) return;
    this.#settle(running, () => run.reject(reason));
    this.#channel.send({ type: "abort", id: running.id, reason: encodeThrown(reason) });
    // After a cancel, the worker no longer keeps this process alive.
    this.#channel.hold(false);
    running.timer = setTimeout(() => this.kill(), run.cancelGraceMs ?? CANCEL_GRACE_MS);
    running.timer.unref();
  }

  /** Ends the worker, which must be idle. It is killed if leftovers of a run keep it from ending. */
  stop(): void {
    this.#channel.send({ type: "stop" });
    this.#stopTimer = setTimeout(() => this.kill(), STOP_GRACE_MS);
    this.#stopTimer.unref();
  }

  /** Kills the process immediately. */
  kill(): void {
    this.hold(true);
    this.#channel.kill();
  }

  #read(level: "STDOUT" | "STDERR"): void {
    const stream = level === "STDOUT" ? this.#channel.stdout : this.#channel.stderr;
    const lines = new OutputLines({
      onLine: (line) => this.#log(line, level),
      onEndOfRun: (id) => this.#endOfOutput(id),
      onOutOfMemory: (bytes) => (this.#outOfMemoryBytes = bytes),
    });
    stream.on("data", (chunk: Buffer) => lines.write(chunk));
    stream.on("end", () => lines.end());
    stream.on("error", () => {}); // the end of the process is reported by the channel
  }

  #log(line: string, level: "STDOUT" | "STDERR"): void {
    if (level === "STDERR") this.#lastLines = [...this.#lastLines.slice(-19), line];
    const entry = logEntry(line, "USER", level);
    (this.#running?.run ?? this.#parts).onLog(entry);
  }

  #receive(message: FromRunner): void {
    if (message.type === "ready") {
      clearTimeout(this.#startTimer);
      this.#isReady = true;
      this.#parts.onReady(this);
      return;
    }
    if (message.type === "failed") {
      this.#reason = { error: this.#failure(message.origin, message.thrown) };
      return; // the process ends by itself
    }
    const running = this.#running;
    if (running?.id !== message.id) return;
    if (message.type === "listening") running.run.onListening(message.url);
    else if (message.type === "result") {
      this.#finish(running, () => running.run.resolve(message.value));
    } else {
      const error = this.#failure(message.origin, message.thrown);
      this.#finish(running, () => running.run.reject(error));
    }
  }

  #failure(origin: FailureOrigin, thrown: WireThrown): unknown {
    const error = decodeThrown(thrown);
    if (origin === "runner") return error;
    const text = error instanceof Error ? error.message : String(error);
    return new UserFunctionException(`${this.#parts.functionName} threw: ${text}`, { cause: error });
  }

  #endOfOutput(id: number): void {
    const running = this.#running;
    if (running?.id !== id) return;
    running.endedStreams++;
    if (running.endedStreams === STREAMS) running.outcome?.();
  }

  /** Ends a run with the result or error of its handler, once all its output has arrived. */
  #finish(running: Running, tell: () => void): void {
    clearTimeout(running.timer);
    const outcome = (): void => {
      if (this.#running !== running) return;
      clearTimeout(running.timer);
      this.#running = undefined;
      this.#rest();
      this.#settle(running, tell);
    };
    if (running.endedStreams === STREAMS) return outcome();
    running.outcome = outcome;
    running.timer = setTimeout(outcome, OUTPUT_MS);
  }

  #settle(running: Running, tell: () => void): void {
    clearTimeout(running.timer);
    if (running.isSettled) return;
    running.isSettled = true;
    tell();
  }

  #rest(): void {
    this.#channel.hold(false);
    if (!this.#hasEnded) this.#parts.onIdle(this);
  }

  #startTooLong(timeoutMs: number): void {
    const { functionName } = this.#parts;
    const message =
      `${functionName} was not set up within its startupTimeout of ${timeoutMs / 1000} s: ` +
      "its module and setupFunction take longer.";
    this.#reason = { error: new FalServerlessError("STARTUP_TIMEOUT", message) };
    this.kill();
  }

  #end(end: WorkerEnd): void {
    this.#hasEnded = true;
    clearTimeout(this.#startTimer);
    clearTimeout(this.#stopTimer);
    const { functionName, memoryLimitMb } = this.#parts;
    const reason =
      this.#reason?.error ??
      describeEnd(end, {
        functionName,
        isReady: this.#isReady,
        memoryLimitMb,
        outOfMemoryBytes: this.#outOfMemoryBytes,
        lastLines: this.#lastLines,
      });
    const running = this.#running;
    // The handler has already ended, and only the rest of the output was missing.
    if (running?.outcome !== undefined) running.outcome();
    else if (running !== undefined) {
      this.#running = undefined;
      this.#settle(running, () => running.run.reject(reason));
    }
    this.#parts.onEnd(this, reason);
  }
}
