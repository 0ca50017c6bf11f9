import { fork, type ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { endGroup, endTree, LEADS_GROUP } from "./process-tree.ts";
import { GUARD_PIPE } from "./parent-watch.ts";
import { MessageDecoder, MessageError } from "./message-codec.ts";
import { MessageWriter } from "./message-writer.ts";
import { contentOf, hasMessagePipe, MESSAGE_PIPE, workerArguments } from "./worker-program.ts";

/** How a worker process ended. All fields are null if nothing is known. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** The reason why the process could not be started, or why its connection was lost. */
  readonly error?: Error;
}

/** How a worker process ended, in words: `exit code 1`, `killed by SIGKILL`. */
export function describeExit({ code, signal }: WorkerEnd): string {
  if (signal !== null) return `killed by ${signal}`;
  return code === null ? "no answer any more" : `exit code ${code}`;
}

/** Receives the messages and the end of a worker process. */
export interface ChannelListener<FromWorker> {
  onMessage(message: FromWorker): void;
  /** Called once, when the process has ended and all its messages and output have arrived. */
  onEnd(end: WorkerEnd): void;
}

/** The connection to a worker process, which may run on this machine or in a container. */
export interface WorkerChannel<ToWorker> {
  readonly pid: number | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** @throws if the message can't be cloned */
  send(message: ToWorker): void;
  /** Kills the process and all processes that it has started. */
  kill(): void;
  /** Sets whether the worker keeps this process alive. */
  hold(isHeld: boolean): void;
}

/** Starts a worker process. */
export type StartChannel<ToWorker, FromWorker> = (
  listener: ChannelListener<FromWorker>,
) => WorkerChannel<ToWorker>;

/** Options of starting a worker process. */
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
  /** "inherit": the worker writes to this process's output, and the channel's streams are empty. Default "pipe". */
  readonly output?: "pipe" | "inherit";
  /** Whether the process is killed when its channel closes, without a long wait for further messages. Default false. */
  readonly endsWithChannel?: boolean;
}

/** Maximum time for which the output of an ended process is still read, in milliseconds. */
const LAST_OUTPUT_MS = 500;
/** Maximum wait between the end of a process and the end of its channel, whichever comes first, in milliseconds. */
const LAST_MESSAGES_MS = 1000;

function pipes(hasGuard: boolean): "pipe"[] {
  if (!hasMessagePipe) return [];
  return hasGuard ? ["pipe", "pipe"] : ["pipe"];
}

/** A worker process on this machine. */
export class ForkChannel<ToWorker extends object, FromWorker> implements WorkerChannel<ToWorker> {
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly #child: ChildProcess;
  readonly #listener: ChannelListener<FromWorker>;
  readonly #endsWithChannel: boolean;
  /** Undefined if messages go through Node's own channel. */
  readonly #writer: MessageWriter | undefined;
  #isDisconnected = false;
  #hasExited = false;
  #hasEnded = false;

  /** @throws the operating system's error if the process can't be started */
  constructor(options: ForkOptions, listener: ChannelListener<FromWorker>) {
    this.#listener = listener;
    this.#endsWithChannel = options.endsWithChannel === true;
    const { program, node, nodeOptions, environment, directory, title, output = "pipe" } = options;
    this.#child = fork(program, workerArguments(title, this.#endsWithChannel), {
      ...(node === undefined ? {} : { execPath: node }),
      execArgv: [...nodeOptions],
      env: environment,
      ...(directory === undefined ? {} : { cwd: directory }),
      serialization: "advanced",
      stdio: ["ignore", output, output, "ipc", ...pipes(this.#endsWithChannel)],
      ...LEADS_GROUP,
    });
    // If this process has reached its limit of open files, streams and channel are missing, and Node emits an error
    // event.
    this.stdout = this.#child.stdout ?? Readable.from([]);
    this.stderr = this.#child.stderr ?? Readable.from([]);
    const pipe = this.#streams[MESSAGE_PIPE] as Socket | undefined;
    this.#streams[GUARD_PIPE]?.on?.("error", () => {});
    if (pipe !== undefined) {
      this.#writer = new MessageWriter(pipe);
      this.#receiveFrom(pipe);
    } else {
      this.#child.on("message", (message: unknown) => {
        const own = contentOf<FromWorker>(message);
        if (own !== undefined) listener.onMessage(own);
      });
    }
    // After a successful start, this event only means that a message could not be sent. The end of the process has its
    // own event.
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

  /** Whether the process has ended. Its last messages may still arrive. */
  get hasExited(): boolean {
    return this.#hasExited;
  }

  send(message: ToWorker): void {
    if (this.#writer !== undefined) this.#writer.write(message);
    else if (this.#child.connected) this.#child.send(message);
  }

  /** Sends messages at once. Returns the error of each message that can't be cloned, by its index. */
  sendAll(messages: readonly ToWorker[]): ReadonlyMap<number, unknown> {
    const errors = new Map<number, unknown>();
    this.#writer?.hold();
    for (const [index, message] of messages.entries()) {
      try {
        this.send(message);
      } catch (error) {
        errors.set(index, error);
      }
    }
    this.#writer?.release();
    return errors;
  }

  kill(): void {
    // After the end of the process, its id may belong to another process.
    if (this.#child.pid !== undefined && !this.#hasExited) endTree(this.#child.pid);
  }

  hold(isHeld: boolean): void {
    const method = isHeld ? "ref" : "unref";
    this.#child[method]();
    this.#child.channel?.[method]();
    for (const stream of this.#streams) stream?.[method]?.();
  }

  /** The streams by file descriptor; empty if this process has reached its limit of open files. */
  get #streams(): readonly (Partial<Socket> | null)[] {
    return (this.#child.stdio as readonly (Partial<Socket> | null)[] | undefined) ?? [];
  }

  #receiveFrom(pipe: Socket): void {
    const decoder = new MessageDecoder((message) => this.#listener.onMessage(message as FromWorker));
    pipe.on("data", (chunk: Buffer) => {
      try {
        decoder.write(chunk);
      } catch (error) {
        if (!(error instanceof MessageError)) throw error;
        pipe.destroy();
        this.kill();
      }
    });
    pipe.on("error", () => {}); // the end of the process has its own event
    if (this.#endsWithChannel) pipe.once("end", () => this.#onDisconnect());
  }

  #onExit(end: WorkerEnd): void {
    this.#hasExited = true;
    if (this.#child.pid !== undefined) endGroup(this.#child.pid);
    // A process that the worker has started, and that has left its group, may keep the streams open.
    setTimeout(() => this.#destroyStreams(), LAST_OUTPUT_MS).unref();
    if (this.#endsWithChannel) setTimeout(() => this.#end(end), LAST_MESSAGES_MS).unref();
  }

  #onDisconnect(): void {
    if (this.#hasExited || this.#isDisconnected) return;
    this.#isDisconnected = true;
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
