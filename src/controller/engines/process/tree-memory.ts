import { readFileSync } from "node:fs";
import { descendants } from "../../../processes/process-tree.ts";

/** The size of a page in /proc, in bytes: that of all systems which Node supports. */
const PAGE_BYTES = 4096;

/**
 * The resident memory of a process and all that it has started, in bytes; undefined where it can't be read. Pages that
 * they share are counted for each.
 */
export function treeMemoryBytes(pid: number): number | undefined {
  const own = residentBytes(pid);
  if (own === undefined) return undefined;
  return descendants(pid).reduce((sum, each) => sum + (residentBytes(each.pid) ?? 0), own);
}

function residentBytes(pid: number): number | undefined {
  try {
    const [, pages] = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ");
    return Number(pages) * PAGE_BYTES;
  } catch {
    return undefined;
  }
}
