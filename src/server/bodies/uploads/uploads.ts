import { unlink } from "node:fs/promises";
import type { Logger } from "pino";
import type { Clock } from "../../../dispatch/clock.ts";
import { ArrivalWatch } from "../arrival.ts";
import { MemoryBudget } from "../memory-budget.ts";
import { TemporaryFolder } from "../../../temporary-folder.ts";

/** The parts that all uploads of a server share. */
export class Uploads {
  readonly folder: TemporaryFolder;
  /** Counts the disk space of files like memory: a stalled upload loses its space when another one needs it. */
  readonly disk: MemoryBudget;
  readonly watch: ArrivalWatch;
  readonly log: Logger;

  /** @param maxBytes maximum disk space of all files at a time */
  constructor(parts: { maxBytes: number; folder: string | undefined; clock: Clock; log: Logger }) {
    this.folder = new TemporaryFolder(parts.folder, parts.log);
    this.disk = new MemoryBudget(parts.maxBytes, parts.clock);
    this.watch = new ArrivalWatch(parts.clock);
    this.log = parts.log;
  }

  /** Removes files, and then frees their disk space. Does not reject. */
  async remove(paths: readonly string[], bytes: number): Promise<void> {
    await Promise.all(
      paths.map((path) =>
        unlink(path).catch((error: NodeJS.ErrnoException) => {
          // A handler may have moved the file.
          if (error.code !== "ENOENT")
            this.log.warn({ err: error, path }, "could not remove an uploaded file");
        }),
      ),
    );
    this.disk.free(bytes);
  }
}
