import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

/** A small file system in memory, removed after the tests; undefined if this process may not mount one. */
export function mountTinyDisk(kilobytes: number): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "servable-disk-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", folder]);
  after(() => {
    if (mounted.status === 0) spawnSync("umount", ["-l", folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return mounted.status === 0 ? folder : undefined;
}

/** A pipe as a descriptor to write to. Its reader reads only on request, and can be closed. */
export class StalledPipe {
  readonly writeFd: number;
  readonly #readFd: number;
  #isOpen = true;

  constructor() {
    const folder = mkdtempSync(join(tmpdir(), "servable-pipe-"));
    const path = join(folder, "pipe");
    mkdirSync(folder, { recursive: true });
    execFileSync("mkfifo", [path]);
    // Opened for reading and writing first, so that the next two opens do not block.
    const both = openSync(path, "r+");
    this.#readFd = openSync(path, "r");
    this.writeFd = openSync(path, "w");
    closeSync(both);
    rmSync(folder, { recursive: true });
    after(() => this.leave());
  }

  get readFd(): number {
    return this.#readFd;
  }

  /** Closes the reader; later writes fail. */
  leave(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#readFd);
    closeSync(this.writeFd);
  }
}
