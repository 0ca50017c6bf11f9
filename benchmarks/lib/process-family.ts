import { readdirSync, readFileSync } from "node:fs";
import { descendants } from "../../src/processes/process-tree.ts";

/** A process with all that it has started, directly or not. Linux only. */
export class ProcessFamily {
  readonly #pids: readonly number[];

  /**
   * @param pid the process, which has started all others already
   * @param hasDescendants whether to count those
   */
  constructor(pid: number, hasDescendants = true) {
    this.#pids = [pid, ...(hasDescendants ? descendants(pid).map((one) => one.pid) : [])];
  }

  /** Processor time since the start, in microseconds. */
  get cpuMicros(): number {
    return this.#sum((pid) => {
      const threads = readdirSync(`/proc/${pid}/task`);
      const nanos = threads.map((thread) => Number.parseInt(read(pid, `task/${thread}/schedstat`), 10));
      return nanos.reduce((total, one) => total + one, 0) / 1000;
    });
  }

  /** Memory, in bytes. A page that several processes share counts once. */
  get memoryBytes(): number {
    return this.#sum((pid) => Number(/^Pss:\s+(\d+)/m.exec(read(pid, "smaps_rollup"))?.[1]) * 1024);
  }

  #sum(of: (pid: number) => number): number {
    return this.#pids.reduce((total, pid) => total + of(pid), 0);
  }
}

function read(pid: number, file: string): string {
  return readFileSync(`/proc/${pid}/${file}`, "utf8");
}
