import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "./command.ts";

/** The variable with the folder, for the servers in `servers/`. */
const RIVALS_VARIABLE = "BENCHMARK_RIVALS";

/**
 * Packages that only a benchmark's rivals use, installed for its duration. They are not dependencies of this package,
 * and some cannot be, since a lockfile would have to name versions that the registry lacks.
 */
export class RivalPackages implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    process.env[RIVALS_VARIABLE] = folder;
  }

  /** @param specs such as `msgpackr@2`. @throws Error with npm's error output. */
  static async install(...specs: string[]): Promise<RivalPackages> {
    const folder = await mkdtemp(join(tmpdir(), "servable-rivals-"));
    const options = ["--no-save", "--no-package-lock", "--ignore-scripts", "--prefix", folder];
    await runCommand("npm", ["install", ...options, ...specs], { cwd: folder });
    return new RivalPackages(folder);
  }

  /** Loads one of the packages. */
  load(name: string): unknown {
    return createRequire(join(this.#folder, "index.js"))(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
