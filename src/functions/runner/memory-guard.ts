import { Worker } from "node:worker_threads";
import { OUT_OF_MEMORY } from "./protocol.ts";

/** The variable by which a host sets the limit, in megabytes (1,000,000 bytes) of resident memory. */
export const MEMORY_LIMIT_VARIABLE = "SERVABLE_MEMORY_LIMIT_MB";

/** How often the memory is looked at, in milliseconds. */
const CHECK_MS = 100;

// In a thread of its own: a handler that computes without end would keep the process from looking.
const GUARD = `
  const { writeSync } = require("node:fs");
  const { workerData } = require("node:worker_threads");
  setInterval(() => {
    const bytes = process.memoryUsage.rss();
    if (bytes <= workerData.limit) return;
    try {
      writeSync(2, workerData.mark + bytes + "\\n");
    } catch {}
    process.kill(process.pid, "SIGKILL");
  }, ${CHECK_MS});
`;

/** Ends this process when it has more memory than its host allows. Node's own limit is for its heap alone. */
export function guardMemory(): void {
  const megabytes = Number(process.env[MEMORY_LIMIT_VARIABLE] ?? 0);
  delete process.env[MEMORY_LIMIT_VARIABLE];
  if (!(megabytes > 0)) return;
  const workerData = { limit: megabytes * 1e6, mark: OUT_OF_MEMORY };
  new Worker(GUARD, { eval: true, execArgv: [], env: {}, workerData }).on("error", () => {}).unref();
}
