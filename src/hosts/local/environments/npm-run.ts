import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import type { NpmProgram } from "./npm.ts";

/** One run of npm. */
export interface NpmRun {
  readonly npm: NpmProgram;
  /** The Node that runs npm. */
  readonly node: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Ends npm, and all that it has started, at once. */
  readonly signal?: AbortSignal;
  readonly onLine: (line: string) => void;
}

/** How a run of npm ended. */
export interface NpmResult {
  /** The exit code; null when it was killed. */
  readonly exitCode: number | null;
  readonly killedBy: NodeJS.Signals | null;
  /** The last lines of what it said. */
  readonly lines: readonly string[];
}

/** Lines that are kept for a message. */
const KEPT_LINES = 400;

/**
 * Loaded into npm: ends it, and all that it has started, when the process that wanted it is no more, which is told
 * by the end of a pipe.
 */
const GUARD = `
import { Socket } from "node:net";
import { isMainThread } from "node:worker_threads";
if (isMainThread) {
  const end = () => process.kill(process.platform === "win32" ? process.pid : -process.pid, "SIGKILL");
  new Socket({ fd: 3, readable: true, writable: false }).on("error", end).on("close", end).resume().unref();
}
`;

/** Runs npm in a group of processes of its own. Rejects with the signal's reason, or when npm can't be started. */
export async function runNpm(run: NpmRun): Promise<NpmResult> {
  const { npm, node, signal, onLine } = run;
  signal?.throwIfAborted();
  const guard = `data:text/javascript,${encodeURIComponent(GUARD)}`;
  const [program, first] =
    npm.script === undefined ? [npm.command ?? "npm", []] : [node, ["--import", guard, npm.script]];
  const child = spawn(program, [...first, ...run.args], {
    cwd: run.cwd,
    env: run.env,
    detached: process.platform !== "win32",
    windowsHide: true,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const kill = (): void => killGroup(child.pid);
  signal?.addEventListener("abort", kill, { once: true });
  const lines: string[] = [];
  // Where this process may open no more files, Node gives no streams, and tells so by an event.
  const { stdout, stderr, stdio } = child as Partial<typeof child>;
  for (const stream of [stdout, stderr]) {
    if (!(stream instanceof Readable)) continue;
    createInterface({ input: stream, crlfDelay: Infinity }).on("line", (line) => {
      if (lines.push(line) > KEPT_LINES) lines.shift();
      onLine(line);
    });
  }
  stdio?.[3]?.on("error", () => {}); // its end is told by "close"
  try {
    const result = await new Promise<NpmResult>((resolve, reject) => {
      child.once("error", reject);
      // What an install script has left running; elsewhere a process that ended has no group any more.
      if (process.platform !== "win32") child.once("exit", kill);
      child.once("close", (exitCode, killedBy) => resolve({ exitCode, killedBy, lines }));
    });
    signal?.throwIfAborted();
    return result;
  } finally {
    signal?.removeEventListener("abort", kill);
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  if (process.platform === "win32") {
    spawn("taskkill", ["/pid", String(pid), "/t", "/f"], { stdio: "ignore" }).on("error", () => {});
    return;
  }
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // nothing of it is left
  }
}
