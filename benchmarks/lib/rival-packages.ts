import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "./command.ts";

/** By this variable the servers in `servers/` find the folder. */
const RIVALS_VARIABLE = "BENCHMARK_RIVALS";

/**
 * Packages that only a benchmark's rivals use, installed for its time alone: they are no dependencies of this package,
 * and some can't be, since a lockfile would have to name what the registry lacks.
 */
export class RivalPackages implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    process.env[RIVALS_VARIABLE] = folder;
  }

  /** @param specs such as `msgpackr@2`. @throws Error with npm's own words. */
  static async install(...specs: string[]): Promise<RivalPackages> {
    const folder = await mkdtemp(join(tmpdir(), "servable-rivals-"));
    const options = ["--no-save", "--no-package-lock", "--ignore-scripts", "--prefix", folder];
    await runCommand("npm", ["install", ...options, ...specs], { cwd: folder });
    return new RivalPackages(folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
