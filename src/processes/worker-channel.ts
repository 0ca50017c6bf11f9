import { fork, type ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { endGroup, endTree, LEADS_GROUP } from "./process-tree.ts";
import { contentOf, workerArguments } from "./worker-program.ts";

/** How a worker process ended. All fields are null if nothing is known. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it could not be started. */
  readonly error?: Error;
}

/** How a worker process ended, in words: `exit code 1`, `killed by SIGKILL`. */
export function describeExit({ code, signal }: WorkerEnd): string {
  if (signal !== null) return `killed by ${signal}`;
  return code === null ? "no answer any more" : `exit code ${code}`;
}

/** Receives what a worker process sends, and its end. */
export interface ChannelListener<FromWorker> {
  onMessage(message: FromWorker): void;
  /** Called once, when the process has ended and all its messages and output have arrived. */
  onEnd(end: WorkerEnd): void;
}

/** A worker process, wherever it runs, and the connection to it. */
export interface WorkerChannel<ToWorker> {
  readonly pid: number | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** @throws when the message can't be cloned */
  send(message: ToWorker): void;
  /** Ends the process immediately, with everything it has started. */
  kill(): void;
  /** Whether this process stays alive for the worker. */
  hold(isHeld: boolean): void;
}

/** Starts a worker process. */
export type StartChannel<ToWorker, FromWorker> = (
  listener: ChannelListener<FromWorker>,
) => WorkerChannel<ToWorker>;

/** How a worker process is started. */
export interface ForkOptions {
  /** Path of the program. */
  readonly program: string;
  /** Path of Node. Default: this process's. */
  readonly node?: string;
  readonly nodeOptions: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** The working directory. Default: this process's. */
  readonly directory?: string;
  /** The name in lists of processes. */
  readonly title: string;
  /** "inherit" writes the output to this process's, and leaves the channel's streams empty. Default "pipe". */
  readonly output?: "pipe" | "inherit";
  /** Whether a process that has closed its channel is ended, and no message is awaited for long. Default false. */
  readonly endsWithChannel?: boolean;
}

/** After the end of a process, its output is read for at most this long, in milliseconds. */
const LAST_OUTPUT_MS = 500;
/** After the end of a process or of its channel, the other one is awaited for at most this long, in milliseconds. */
const LAST_MESSAGES_MS = 1000;

/** A worker process on this machine. */
export class ForkChannel<ToWorker extends object, FromWorker> implements WorkerChannel<ToWorker> {
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly #child: ChildProcess;
  readonly #listener: ChannelListener<FromWorker>;
  readonly #endsWithChannel: boolean;
  #hasExited = false;
  #hasEnded = false;

  /** @throws the operating system's error if the process can't be started */
  constructor(options: ForkOptions, listener: ChannelListener<FromWorker>) {
    this.#listener = listener;
    this.#endsWithChannel = options.endsWithChannel === true;
    const { program, node, nodeOptions, environment, directory, title, output = "pipe" } = options;
    this.#child = fork(program, workerArguments(title), {
      ...(node === undefined ? {} : { execPath: node }),
      execArgv: [...nodeOptions],
      env: environment,
      ...(directory === undefined ? {} : { cwd: directory }),
      serialization: "advanced",
      stdio: ["ignore", output, output, "ipc"],
      ...LEADS_GROUP,
    });
    // When this process may open no more files, Node gives neither streams nor a channel, and emits an error event.
    this.stdout = this.#child.stdout ?? Readable.from([]);
    this.stderr = this.#child.stderr ?? Readable.from([]);
    this.#child.on("message", (message: unknown) => {
      const own = contentOf<FromWorker>(message);
      if (own !== undefined) listener.onMessage(own);
    });
    // For a started process it only means that a message could not be sent; the end has its own event.
    this.#child.on("error", (error) => {
      if (this.#child.pid === undefined) this.#end({ code: null, signal: null, error });
    });
    this.#child.once("exit", (code, signal) => this.#onExit({ code, signal }));
    // The process has ended, and so have its output and its channel.
    this.#child.once("close", (code, signal) => this.#end({ code, signal }));
    if (this.#endsWithChannel) this.#child.once("disconnect", () => this.#onDisconnect());
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The process has ended; its last messages may still arrive. */
  get hasExited(): boolean {
    return this.#hasExited;
  }

  send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message);
  }

  kill(): void {
    // After its end the process id may belong to another process.
    if (this.#child.pid !== undefined && !this.#hasExited) endTree(this.#child.pid);
  }

  hold(isHeld: boolean): void {
    const method = isHeld ? "ref" : "unref";
    this.#child[method]();
    this.#child.channel?.[method]();
    for (const stream of [this.stdout, this.stderr]) (stream as Partial<Socket>)[method]?.();
  }

  #onExit(end: WorkerEnd): void {
    this.#hasExited = true;
    if (this.#child.pid !== undefined) endGroup(this.#child.pid);
    // A process that the worker has started, and that has left its group, may keep the streams open.
    setTimeout(() => this.#destroyStreams(), LAST_OUTPUT_MS).unref();
    if (this.#endsWithChannel) setTimeout(() => this.#end(end), LAST_MESSAGES_MS).unref();
  }

  #onDisconnect(): void {
    if (this.#hasExited) return;
    this.kill();
    setTimeout(() => this.#end({ code: null, signal: null }), LAST_MESSAGES_MS).unref();
  }

  #end(end: WorkerEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#listener.onEnd(end);
  }

  #destroyStreams(): void {
    this.stdout.destroy();
    this.stderr.destroy();
  }
}
