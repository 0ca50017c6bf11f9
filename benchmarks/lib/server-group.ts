import { join } from "node:path";
import { ServerProcess } from "./server-process.ts";

/** Compiled servers that run side by side, one of each. */
export class ServerGroup implements AsyncDisposable {
  readonly #folder: string;
  readonly #servers = new Map<string, ServerProcess>();

  /** @param folder where the compiled programs are. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The server of a program; started if it is not running. */
  async get(program: string): Promise<ServerProcess> {
    const running = this.#servers.get(program);
    if (running !== undefined) return running;
    const started = await ServerProcess.start(join(this.#folder, `${program}.js`));
    this.#servers.set(program, started);
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server[Symbol.asyncDispose]()));
  }
}
