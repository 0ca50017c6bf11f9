import { Worker } from "node:worker_threads";
import { endOwnChildren } from "./process-tree.ts";

/** How often it is looked whether the parent is still there, in milliseconds. */
const CHECK_MS = 1000;

/** What a process is started with that is to end with its parent: its title, for who lists processes, and the parent. */
export function childArguments(title: string): string[] {
  return [title, String(process.pid)];
}

/**
 * Ends this process when its parent is gone, also while it computes without end: the look is taken in a thread of its
 * own. Where there can be no thread, the end of the channel alone has to do. What this process has started ends with it.
 *
 * The parent is the one that {@link childArguments} tell of: it may be gone before this process has come so far as to
 * ask who it is.
 */
export function watchParent(): void {
  const parent = Number(process.argv[3] ?? process.ppid);
  process.on("exit", endOwnChildren);
  process.on("disconnect", () => process.exit(1));
  // Not all that is below it is in the group that it leads; without /proc the group has to do.
  const check = `
    const { readdirSync, readFileSync } = require("node:fs");
    const kill = (pid) => {
      try {
        process.kill(pid, "SIGKILL");
      } catch {}
    };
    const childrenOf = (parent) => {
      try {
        return readdirSync("/proc").filter((name) => {
          try {
            const stat = readFileSync("/proc/" + name + "/stat", "latin1");
            return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent;
          } catch {
            return false;
          }
        }).map(Number);
      } catch {
        return [];
      }
    };
    const endBelow = (pid) => {
      for (const child of childrenOf(pid)) {
        endBelow(child);
        kill(child);
      }
    };
    const check = () => {
      if (process.ppid === ${parent}) return;
      endBelow(process.pid);
      if (process.platform !== "win32") kill(-process.pid);
      kill(process.pid);
    };
    setInterval(check, ${CHECK_MS});
    check();
  `;
  new Worker(check, { eval: true, execArgv: [], env: {} }).on("error", () => {}).unref();
}
