import type { ChildProcess } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { descendants } from "./process-tree.ts";

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
