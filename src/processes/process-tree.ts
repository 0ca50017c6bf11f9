import { readdirSync, readFileSync } from "node:fs";

/** A process below another one. */
export interface Descendant {
  readonly pid: number;
  /** 1 for a child. */
  readonly depth: number;
}

/** A process as the system lists it. */
interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  /** Id of the process that leads its group. */
  readonly group: number;
}

/** The ids of the descendants of several processes, from one listing. Empty on systems other than Linux. */
export function descendantIds(roots: readonly number[]): ReadonlyMap<number, readonly number[]> {
  const entries = listed();
  return new Map(roots.map((root) => [root, below(root, entries).map(({ pid }) => pid)]));
}

/** The descendants of a process. Empty on systems other than Linux, where listing processes needs another program. */
export function descendants(root: number): Descendant[] {
  return below(root, listed());
}

function below(root: number, entries: readonly ProcessEntry[]): Descendant[] {
  const children = new Map<number, number[]>();
  for (const { pid, parent } of entries) children.set(parent, [...(children.get(parent) ?? []), pid]);
  const from = (pid: number, depth: number): Descendant[] =>
    (children.get(pid) ?? []).flatMap((child) => [{ pid: child, depth }, ...from(child, depth + 1)]);
  return from(root, 1);
}

function listed(): ProcessEntry[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc").flatMap((name) => {
    const entry = /^\d+$/.test(name) ? entryOf(name) : undefined;
    return entry === undefined ? [] : [entry];
  });
}

function entryOf(pid: string): ProcessEntry | undefined {
  try {
    // The name is in brackets and may contain any characters. The state, the parent and the group follow it.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state = "", parent, group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? undefined : { pid: Number(pid), parent: Number(parent), group: Number(group) };
  } catch {
    return undefined;
  }
}

/**
 * Options for starting a process that {@link endTree} can end together with its children: the process leads a group.
 */
export const LEADS_GROUP: { readonly detached: boolean } = { detached: process.platform !== "win32" };

/**
 * Kills a process that leads a group, and all processes that it has started: its group, and on Linux also descendants
 * in other groups.
 */
export function endTree(pid: number): void {
  const started = startedBy(pid); // listed first, because the children get another parent when it ends
  endGroup(pid);
  kill(pid);
  started.forEach(kill);
}

/** Kills the remaining processes of a group whose leader has ended. */
export function endGroup(pid: number): void {
  if (process.platform !== "win32") kill(-pid);
}

/** Kills all processes that this process has started. Called just before this process ends. */
export function endOwnChildren(): void {
  startedBy(process.pid).forEach(kill);
  // On other systems, the parent kills the group after this process has ended. Without a parent, this process ends its
  // own group, itself included.
  if (process.platform !== "linux" && !process.connected) endGroup(process.pid);
}

/** The descendants of a process, and the members of the group that it leads. */
function startedBy(pid: number): number[] {
  try {
    const entries = listed();
    const members = entries.filter((entry) => entry.group === pid && entry.pid !== pid);
    return [...new Set([...below(pid, entries), ...members].map((each) => each.pid))];
  } catch {
    return []; // no /proc, or the limit of open files is reached
  }
}

/** Kills one process. */
export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // the process has ended meanwhile
  }
}
