import { spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { endOwnChildren } from "./process-tree.ts";

/** The file descriptor of a worker's pipe that closes when its parent ends. */
export const GUARD_PIPE = 5;

/** Interval at which the thread checks that the parent exists, in milliseconds. */
const CHECK_MS = 1000;

/**
 * Ends this process and all processes that it has started when its parent has ended, even while it computes. A shell
 * that waits for the end of a pipe does this, or a thread, which needs much more memory.
 * @param parent the id that this process got from its parent, which may have ended meanwhile
 * @param hasPipe whether this process has a {@link GUARD_PIPE}
 */
export function watchParent(parent: number, hasPipe: boolean): void {
  process.on("exit", endOwnChildren);
  process.on("disconnect", () => process.exit(1));
  if (hasPipe) startGuard(parent);
  else startThread(parent);
}

/**
 * Descendants may have left the group that the process leads, so /proc is searched for them. Without /proc, only the
 * group is ended. The guard itself is a member of that group.
 */
const GUARD = `
trap "" INT TERM HUP
read -r line
end_below() {
  for stat in /proc/[0-9]*/stat; do
    { read -r line < "$stat"; } 2> /dev/null || continue
    set -- "$1" \${line##*") "}
    pid=\${stat#/proc/}
    pid=\${pid%/stat}
    if [ "$3" = "$1" ] && [ "$pid" != $$ ]; then
      (end_below "$pid")
      kill -9 "$pid"
    fi
  done
}
end_below "$1"
kill -9 "-$1" "$1"
`;

function startGuard(parent: number): void {
  const args = ["-c", GUARD, "guard-of-worker", String(process.pid)];
  try {
    const guard = spawn("/bin/sh", args, { stdio: [GUARD_PIPE, "ignore", "ignore"], env: {} });
    const replace = (): void => startThread(parent);
    guard.once("error", replace).once("exit", replace).unref(); // there is no shell, or it was killed
  } catch {
    startThread(parent);
  }
  closeSync(GUARD_PIPE);
}

/** If the thread can't be started, only the end of the channel is noticed. */
function startThread(parent: number): void {
  // Descendants may have left the group that this process leads, so /proc is searched for them. Without /proc, only the
  // group is ended.
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
