import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** How often a program's processes are looked for, in milliseconds. */
const LOOK_MS = 50;
/** What a program starts while it clears away has so long to do its work, in milliseconds. */
const HELPER_MS = 2000;
/** So long a program may take to clear away before it is told to end, and as long again before it is killed. */
const PATIENCE_MS = 5000;

/** How a program is made to end: it is told, or the step that it runs is ended. */
export type EndingBy = "signal" | "step";

/**
 * Ends a program. One that builds by itself and is told to end leaves its containers, its temporary files and even the
 * running step behind; if its step fails, it clears them away. The step is what its children have started: they are
 * its helpers. Where processes can't be listed, as but for Linux, there is a daemon behind the program, and to tell it
 * is enough. It has to lead a group of processes.
 */
export async function endProcess(child: ChildProcess, by: EndingBy): Promise<void> {
  const { pid } = child;
  if (pid === undefined) return;
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const byStep = by === "step" && process.platform === "linux";
  const signals: NodeJS.Signals[] = byStep ? ["SIGTERM", "SIGKILL"] : ["SIGINT", "SIGTERM", "SIGKILL"];
  const started = performance.now();
  let nextSignalMs = byStep ? PATIENCE_MS : 0;
  const killAt = new Map(stepsOf(byStep ? pid : undefined).map((step) => [step, 0]));
  while (!isOver()) {
    const passed = performance.now() - started;
    for (const step of stepsOf(byStep ? pid : undefined)) {
      // What comes later may be there to clear away.
      const due = killAt.get(step) ?? passed + HELPER_MS;
      killAt.set(step, due);
      if (passed >= due) kill(step);
    }
    if (passed >= nextSignalMs) {
      nextSignalMs += PATIENCE_MS;
      child.kill(signals.shift() ?? "SIGKILL");
    }
    await delay(LOOK_MS);
  }
  // What was started at the very moment, and has lost its parent since: it would keep the outputs open.
  if (process.platform !== "win32") kill(-pid);
}

function stepsOf(root: number | undefined): number[] {
  return root === undefined
    ? []
    : descendants(root)
        .filter(({ depth }) => depth > 1)
        .map(({ pid }) => pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended meanwhile
  }
}

/** A process below another one. */
export interface Descendant {
  readonly pid: number;
  /** 1 for a child. */
  readonly depth: number;
}

/** The processes below one, on Linux. */
export function descendants(root: number): Descendant[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(name);
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const below = (pid: number, depth: number): Descendant[] =>
    (children.get(pid) ?? []).flatMap((child) => [{ pid: child, depth }, ...below(child, depth + 1)]);
  return below(root, 1);
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
