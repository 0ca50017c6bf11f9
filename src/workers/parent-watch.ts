import { Worker } from "node:worker_threads";

/** How often it is looked whether the parent is still there, in milliseconds. */
const CHECK_MS = 1000;

/**
 * Ends this process when its parent is gone, also while it computes without end: the look is taken in a thread of its
 * own. Where there can be no thread, the end of the channel alone has to do.
 */
export function watchParent(): void {
  const check = `
    setInterval(() => {
      if (process.ppid !== ${process.ppid}) process.kill(process.pid, "SIGKILL");
    }, ${CHECK_MS});
  `;
  new Worker(check, { eval: true, execArgv: [], env: {} }).on("error", () => {}).unref();
}
