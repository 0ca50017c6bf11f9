import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { LoadCommand, Samples } from "./load.ts";

/** The load generator in a process of its own. */
export class GeneratorProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, "exit").then(([code]) => {
      throw new Error(`The load generator ended with ${String(code)}.`);
    });
    this.#ended.catch(() => undefined);
  }

  /** @param program the compiled generator. */
  static start(program: string): GeneratorProcess {
    const stdio = ["ignore", "ignore", "inherit", "ipc"] as const;
    return new GeneratorProcess(
      fork(program, { execArgv: [], serialization: "advanced", stdio: [...stdio] }),
    );
  }

  /** Sends a load and waits for its end. @throws Error if the generator fails. */
  async run(command: LoadCommand): Promise<Samples> {
    const answer = once(this.#child, "message");
    this.#child.send(command);
    const [samples] = (await Promise.race([answer, this.#ended])) as [Samples];
    return samples;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }
}
