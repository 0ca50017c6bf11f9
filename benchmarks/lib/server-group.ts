import { join } from "node:path";
import { ServerProcess } from "./server-process.ts";

/** Compiled servers that run side by side, one of each program and its arguments. */
export class ServerGroup implements AsyncDisposable {
  readonly #folder: string;
  readonly #servers = new Map<string, ServerProcess>();

  /** @param folder where the compiled programs are. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The server of a program with these arguments; started if it is not running. */
  async get(program: string, ...args: readonly string[]): Promise<ServerProcess> {
    const key = [program, ...args].join(" ");
    const running = this.#servers.get(key);
    if (running !== undefined) return running;
    const started = await ServerProcess.start(join(this.#folder, `${program}.js`), [], args);
    this.#servers.set(key, started);
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server[Symbol.asyncDispose]()));
  }
}
