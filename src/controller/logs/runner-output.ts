import { mkdirSync } from "node:fs";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** The stream that a line was written to. */
export type OutputStream = "stdout" | "stderr";

/**
 * The output of runners on disk: `runners/ID/stdout.log` and `stderr.log`. Runners write to the files themselves, so that
 * nothing is lost while the platform is away.
 */
export class RunnerOutput {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
    mkdirSync(root, { recursive: true, mode: 0o700 });
  }

  /** The folder of a runner. */
  folderOf(id: string): string {
    return join(this.#root, id);
  }

  pathOf(id: string, stream: OutputStream): string {
    return join(this.folderOf(id), `${stream}.log`);
  }

  /** The bytes of the output of each runner. */
  async sizes(): Promise<ReadonlyMap<string, number>> {
    const sizes = new Map<string, number>();
    for (const id of await readdir(this.#root)) {
      const parts = (["stdout", "stderr"] as const).map(async (stream) =>
        stat(this.pathOf(id, stream)).then(
          ({ size }) => size,
          () => 0,
        ),
      );
      sizes.set(
        id,
        (await Promise.all(parts)).reduce((sum, size) => sum + size, 0),
      );
    }
    return sizes;
  }

  /** Removes the output of a runner that has ended. */
  async remove(id: string): Promise<void> {
    await rm(this.folderOf(id), { recursive: true, force: true });
  }
}
