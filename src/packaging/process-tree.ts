import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** How often a program's own processes are looked for, in milliseconds. */
const LOOK_MS = 50;
/** So long a program may take to clear away before it is told to end, and as long again before it is killed. */
const PATIENCE_MS = 5000;

/**
 * Ends a program by ending what it has started. A builder that is ended itself leaves its containers, its temporary
 * files and even the running step behind; one whose step fails clears them away. Where processes can't be listed, as
 * but for Linux, it is told to end as by Ctrl-C, which a client of a daemon passes on.
 */
export async function endProcessTree(child: ChildProcess): Promise<void> {
  const { pid } = child;
  if (pid === undefined) return;
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const started = performance.now();
  let told = 0;
  while (!isOver()) {
    const passed = performance.now() - started;
    const leaves = process.platform === "linux" ? leavesOf(pid) : [];
    for (const leaf of leaves) signal(leaf, "SIGKILL");
    if (process.platform !== "linux" && told === 0) told = tell(child, "SIGINT", 1);
    else if (passed > 2 * PATIENCE_MS) told = tell(child, "SIGKILL", 3);
    else if (passed > PATIENCE_MS && told < 2) told = tell(child, "SIGTERM", 2);
    await delay(LOOK_MS);
  }
}

function tell(child: ChildProcess, name: NodeJS.Signals, step: number): number {
  child.kill(name);
  return step;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it has ended meanwhile
  }
}

/** The processes below one that have none below themselves. */
export function leavesOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(name);
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const leaves: number[] = [];
  const look = (pid: number): void => {
    const below = children.get(pid) ?? [];
    if (below.length === 0 && pid !== root) leaves.push(pid);
    for (const child of below) look(child);
  };
  look(root);
  return leaves;
}

function parentOf(pid: string): number | undefined {
  try {
    // The name is in brackets and may hold anything; state and parent follow it.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state = "", parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? undefined : Number(parent);
  } catch {
    return undefined;
  }
}
