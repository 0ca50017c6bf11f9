import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** A process that sends back every message, without any code of this package. */
export class EchoProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  #waiting: Waiting | undefined;

  constructor() {
    this.#child = fork(fileURLToPath(new URL("bare-echo.js", import.meta.url)), {
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#child.on("message", (message) => this.#waiting?.resolve(message));
    this.#child.once("exit", (code) => this.#waiting?.reject(new Error(`The echo ended with ${code}.`)));
  }

  /** Sends arguments and waits for their return. One call at a time. @throws Error if the process ends */
  call(...args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#child.send(args);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#waiting = undefined;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }
}
