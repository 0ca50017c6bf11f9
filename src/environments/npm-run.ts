import { runProgram } from "../processes/program.ts";
import type { NpmProgram } from "./npm.ts";

/** One run of npm. */
export interface NpmRun {
  readonly npm: NpmProgram;
  /** The Node that runs npm. */
  readonly node: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Kills npm and all processes that it has started. */
  readonly signal?: AbortSignal;
  readonly onLine: (line: string) => void;
}

/** How a run of npm ended. */
export interface NpmResult {
  /** The exit code; null if it was killed. */
  readonly exitCode: number | null;
  readonly killedBy: NodeJS.Signals | null;
  /** The last lines of its output. */
  readonly lines: readonly string[];
}

/**
 * A module that is loaded into npm. It kills npm and all processes that npm has started when the pipe from the parent
 * process is closed.
 */
const GUARD = `
import { Socket } from "node:net";
import { isMainThread } from "node:worker_threads";
if (isMainThread) {
  const end = () => process.kill(process.platform === "win32" ? process.pid : -process.pid, "SIGKILL");
  new Socket({ fd: 3, readable: true, writable: false }).on("error", end).on("close", end).resume().unref();
}
`;

/** Runs npm in a separate process group. Rejects with the signal's reason, or if npm can't be started. */
export async function runNpm({ npm, node, args, cwd, env, signal, onLine }: NpmRun): Promise<NpmResult> {
  const guard = `data:text/javascript,${encodeURIComponent(GUARD)}`;
  const [program, first] =
    npm.script === undefined ? [npm.command ?? "npm", []] : [node, ["--import", guard, npm.script]];
  const end = await runProgram(program, [...first, ...args], {
    environment: env,
    directory: cwd,
    signal,
    endingBy: "group",
    hasParentPipe: true,
    onLine,
  });
  const { code = null, killedBy = null, lines } = end;
  if (code === null && killedBy === null) throw new Error(`${program}: ${lines.at(-1)}`);
  return { exitCode: code, killedBy, lines };
}
