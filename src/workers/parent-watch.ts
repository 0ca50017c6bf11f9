import { Worker } from "node:worker_threads";

/** How often it is looked whether the parent is still there, in milliseconds. */
const CHECK_MS = 1000;

/** What a process is started with that is to end with its parent: its title, for who lists processes, and the parent. */
export function childArguments(title: string): string[] {
  return [title, String(process.pid)];
}

/**
 * Ends this process when its parent is gone, also while it computes without end: the look is taken in a thread of its
 * own. Where there can be no thread, the end of the channel alone has to do.
 *
 * The parent is the one that {@link childArguments} tell of: it may be gone before this process has come so far as to
 * ask who it is.
 */
export function watchParent(): void {
  const parent = Number(process.argv[3] ?? process.ppid);
  const check = `
    const check = () => {
      if (process.ppid !== ${parent}) process.kill(process.pid, "SIGKILL");
    };
    setInterval(check, ${CHECK_MS});
    check();
  `;
  new Worker(check, { eval: true, execArgv: [], env: {} }).on("error", () => {}).unref();
}
