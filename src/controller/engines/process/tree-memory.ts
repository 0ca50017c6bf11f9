import { readFileSync } from "node:fs";
import { descendantIds } from "../../../processes/process-tree.ts";

/** The size of a page in /proc on most machines, in bytes. */
const PAGE_BYTES = 4096;

/**
 * The resident memory of each process with all that it has started, in bytes, by its id. Processes whose memory can't be read
 * are missing. Pages that a process shares with a child are counted twice.
 */
export function treeMemory(pids: readonly number[]): ReadonlyMap<number, number> {
  const sums = [...descendantIds(pids)].map(([pid, below]): readonly [number, number] => [
    pid,
    [pid, ...below].reduce((sum, each) => sum + residentBytes(each), 0),
  ]);
  return new Map(sums.filter(([, bytes]) => bytes > 0));
}

function residentBytes(pid: number): number {
  try {
    const [, pages] = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ");
    return Number(pages) * PAGE_BYTES;
  } catch {
    return 0;
  }
}
