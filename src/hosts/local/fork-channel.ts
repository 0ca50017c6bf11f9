import { fork, type ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import type { FromRunner, ToRunner } from "../../functions/runner/protocol.ts";
import { endGroup, endTree, LEADS_GROUP } from "../../processes/process-tree.ts";
import { contentOf } from "../../processes/own-messages.ts";
import { childArguments } from "../../processes/parent-watch.ts";
import type { ChannelListener, WorkerChannel } from "./worker-channel.ts";

/** What a process is started with. */
export interface ForkOptions {
  /** Path of the runner. */
  readonly runner: string;
  /** Path of Node. */
  readonly node: string;
  readonly nodeOptions: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  /** The folder it works in. */
  readonly directory: string;
  /** For whoever looks at the list of processes. */
  readonly title: string;
}

/** A worker that is a process of this machine. */
export class ForkChannel implements WorkerChannel {
  readonly #child: ChildProcess;
  readonly stdout: Readable;
  readonly stderr: Readable;
  #hasExited = false;

  constructor(options: ForkOptions, listener: ChannelListener) {
    const { runner, node, nodeOptions, variables, directory, title } = options;
    this.#child = fork(runner, childArguments(title), {
      execPath: node,
      execArgv: [...nodeOptions],
      env: variables,
      cwd: directory,
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      ...LEADS_GROUP,
    });
    // Where this process may open no more files, Node gives neither streams nor a channel, and tells so by an event.
    this.stdout = this.#child.stdout ?? Readable.from([]);
    this.stderr = this.#child.stderr ?? Readable.from([]);
    this.#child.on("message", (message: unknown) => {
      const own = contentOf<FromRunner>(message);
      if (own !== undefined) listener.onMessage(own);
    });
    let error: Error | undefined;
    // Of a started process it says only that a message could not be sent; its end is told by itself.
    this.#child.on("error", (failure) => {
      if (this.#child.pid !== undefined) return;
      error = failure;
      listener.onEnd({ code: null, signal: null, error });
    });
    // Told when the streams are at their ends, too.
    this.#child.once("close", (code, signal) => {
      if (error === undefined) listener.onEnd({ code, signal });
    });
    this.#child.once("exit", () => {
      this.#hasExited = true;
      if (this.#child.pid !== undefined) endGroup(this.#child.pid);
      // A process that was started by the worker and has left its group may hold the streams for ever.
      setTimeout(() => this.#destroyStreams(), LAST_WORDS_MS).unref();
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  send(message: ToRunner): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  kill(): void {
    // Not once it has ended: its number may be another's.
    if (this.#child.pid !== undefined && !this.#hasExited) endTree(this.#child.pid);
  }

  hold(isHeld: boolean): void {
    const method = isHeld ? "ref" : "unref";
    this.#child[method]();
    this.#child.channel?.[method]();
    for (const stream of [this.stdout, this.stderr]) (stream as Partial<Socket>)[method]?.();
  }

  #destroyStreams(): void {
    this.stdout.destroy();
    this.stderr.destroy();
  }
}

/** How long the output of a process is waited for that has ended, in milliseconds. */
const LAST_WORDS_MS = 500;
