import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** Whether a process is running. A zombie, which its parent has not reaped yet, is not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !(process.platform === "linux" && /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8")));
  } catch {
    return false;
  }
}

/** Resolves once a process has ended; fails if it is still running after the given time, in milliseconds. */
export async function ended(pid: number, withinMs = 15_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (isAlive(pid)) {
    assert.ok(performance.now() < deadline, `process ${pid} is still there after ${withinMs} ms`);
    await delay(10); // there is no event for the end of a process that is not a child
  }
}
