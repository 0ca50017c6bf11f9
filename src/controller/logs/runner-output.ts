import { mkdirSync } from "node:fs";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** The amount of a runner's last words. */
const LAST_LINES = 10;
const LAST_CHARACTERS = 2_000;

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

  /** The last lines of a runner: of its standard error, otherwise of its log. */
  async lastWords(id: string): Promise<string> {
    for (const stream of ["stderr", "stdout"] as const) {
      const text = await readFile(this.pathOf(id, stream), "utf8").catch(() => "");
      const lines = text.trimEnd().split("\n").slice(-LAST_LINES).join("\n").slice(-LAST_CHARACTERS);
      if (lines !== "") return lines;
    }
    return "";
  }

  /** Removes the output of a runner that has ended. */
  async remove(id: string): Promise<void> {
    await rm(this.folderOf(id), { recursive: true, force: true });
  }
}
