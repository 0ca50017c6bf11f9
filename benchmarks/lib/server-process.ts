import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Listening, Usage } from "../servers/announcement.ts";

/** A server in a process of its own, which reports its address and its resource usage over IPC. */
export class ServerProcess implements AsyncDisposable {
  readonly url: string;
  /** Processor time from the start of the process until it listened, in microseconds. */
  readonly startMicros: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  private constructor(child: ChildProcess, ended: Promise<never>, { url, startMicros }: Listening) {
    this.#child = child;
    this.#ended = ended;
    this.url = url;
    this.startMicros = startMicros;
  }

  /** Starts a compiled program and waits until it listens. @throws Error if it ends before. */
  static async start(
    program: string,
    execArgv: readonly string[] = [],
    args: readonly string[] = [],
  ): Promise<ServerProcess> {
    const child = fork(program, args, {
      execArgv: [...execArgv],
      env: { ...process.env, NODE_ENV: "production" },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`${program} ended with ${String(code)}.`);
    });
    ended.catch(() => undefined); // it also rejects, unobserved, when the benchmark ends the server
    const [listening] = (await Promise.race([once(child, "message"), ended])) as [Listening];
    return new ServerProcess(child, ended, listening);
  }

  /** The id of the process. */
  get pid(): number {
    return this.#child.pid as number;
  }

  /** The resource usage of the process since its start. @throws Error if it has ended. */
  usage(): Promise<Usage> {
    return this.#ask("usage");
  }

  /** Makes the process measure the blocks of its event loop from now on. @throws Error if it has ended. */
  async watchEventLoop(): Promise<void> {
    await this.#ask("watch");
  }

  async #ask(request: "usage" | "watch"): Promise<Usage> {
    const answer = once(this.#child, "message");
    this.#child.send(request);
    const [usage] = (await Promise.race([answer, this.#ended])) as [Usage];
    return usage;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }
}
