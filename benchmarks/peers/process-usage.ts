import { readdirSync, readFileSync } from "node:fs";

/** The variable that marks all processes of one server, with their descendants. */
export const TAG_VARIABLE = "PEERS_TAG";

/** Resident memory in MiB. `shared` counts pages of several processes once for each; `proportional` divides them. */
export interface Memory {
  readonly shared: number;
  readonly proportional: number;
}

/** The ids of the living processes with a tag in their environment. */
export function processesOf(tag: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(`/proc/${pid}/environ`).includes(`${TAG_VARIABLE}=${tag}\0`))
    .filter((pid) => stateOf(pid) !== "Z")
    .map(Number);
}

/** The processor time of all threads of processes, in seconds. */
export function cpuSecondsOf(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) {
    for (const thread of list(`/proc/${pid}/task`)) {
      nanoseconds += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]);
    }
  }
  return nanoseconds / 1e9;
}

/** The memory of processes. */
export function memoryOf(pids: readonly number[]): Memory {
  const texts = pids.map((pid) => read(`/proc/${pid}/smaps_rollup`));
  const sum = (pattern: RegExp): number =>
    texts.reduce((total, text) => total + Number(pattern.exec(text)?.[1] ?? 0), 0) / 1024;
  return { shared: sum(/^Rss:\s+(\d+)/m), proportional: sum(/^Pss:\s+(\d+)/m) };
}

function stateOf(pid: string): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[0];
}

/** A file's text; empty if the process has ended. */
function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
