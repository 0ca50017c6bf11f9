import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { runCommand } from "./command.ts";

/** Compiled programs that measure something and print it as JSON. Each run is a fresh process. */
export class ProgramFolder {
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;

  /**
   * @param folder where the compiled programs are
   * @param env the environment variables of their processes
   */
  constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.#folder = folder;
    this.#env = env;
  }

  /** The output of a program. @throws Error with the program's error output if it fails */
  async run<Printed>(program: string, ...args: readonly (string | number)[]): Promise<Printed> {
    const all = [join(this.#folder, `${program}.js`), ...args.map(String)];
    return JSON.parse(
      await runCommand(process.execPath, all, { cwd: this.#folder, env: this.#env }),
    ) as Printed;
  }

  /** The output of a program, and the duration of its process from start to end, in milliseconds. */
  async runWhole(program: string): Promise<{ readonly printed: number; readonly whole: number }> {
    const started = performance.now();
    const printed = await this.run<number>(program);
    return { printed, whole: performance.now() - started };
  }

  /** The duration of an empty Node process from start to end, in milliseconds. */
  async bareNode(): Promise<number> {
    const started = performance.now();
    const child = spawn(process.execPath, ["-e", "0"], { env: this.#env, stdio: "ignore" });
    await once(child, "exit");
    return performance.now() - started;
  }
}
