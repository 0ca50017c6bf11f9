import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { descendants, endGroup, kill } from "./process-tree.ts";

/**
 * How a program is ended when its signal aborts:
 *
 * - `signal`: by SIGINT, SIGTERM 5 s later, and SIGKILL another 5 s later, so that it can clean up.
 * - `step`: by ending the processes that its children have started, so that its current step fails and it cleans up.
 *   The same as `signal` on systems other than Linux.
 * - `group`: by SIGKILL, with everything it has started. Processes that still run when it exits are ended as well.
 * - `alone`: by SIGKILL, without its children.
 *
 * All but `alone` put the program in a process group of its own, which Ctrl-C on a terminal does not reach.
 */
type EndingBy = "signal" | "step" | "group" | "alone";

/** Options of running a program. */
export interface ProgramOptions {
  /** Default: this process's. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Default: this process's. */
  readonly directory?: string;
  /** The user that it runs as. Only root may choose another one. Default: this process's. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** The program's standard input. Default: empty. */
  readonly input?: AsyncIterable<Buffer>;
  readonly signal?: AbortSignal | undefined;
  /** Default "signal". */
  readonly endingBy?: EndingBy;
  /** Whether the program gets a pipe as file descriptor 3 that is closed when this process ends. */
  readonly hasParentPipe?: boolean;
  /** Called with each line of its standard output and standard error. */
  readonly onLine?: ((line: string) => void) | undefined;
}

/** How a program ended. */
export interface ProgramEnd {
  /** The exit code; undefined if the program could not be started or was ended by a signal. */
  readonly code: number | undefined;
  /** The signal that ended it; absent otherwise. */
  readonly killedBy?: NodeJS.Signals;
  /** The first 16 MiB of its standard output. */
  readonly stdout: string;
  /** The last lines of both outputs in order, or the reason why the program could not be started. */
  readonly lines: readonly string[];
}

const KEPT_LINES = 400;
const KEPT_CHARACTERS = 16 * 2 ** 20;

/**
 * Runs a program until it ends. After an abort, the promise still settles only when the program has ended.
 * @throws the signal's reason, or the error of the input
 */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramEnd> {
  const { environment = process.env, directory, input, signal, endingBy = "signal", onLine, user } = options;
  signal?.throwIfAborted();
  const child = spawn(command, args, {
    env: environment,
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe", ...parentPipe(options)],
    detached: endingBy !== "alone" && process.platform !== "win32",
    windowsHide: true,
    ...(directory === undefined ? {} : { cwd: directory }),
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  });
  const lines: string[] = [];
  let stdout = "";
  // If this process has reached its limit of open files, the streams are missing and Node emits an error event.
  const streams = child as Partial<ChildProcess>;
  streams.stdout?.setEncoding("utf8").on("data", (text: string) => {
    if (stdout.length < KEPT_CHARACTERS) stdout += text;
  });
  streams.stdio?.[3]?.on("error", () => {}); // the program's end is reported by "close"
  const readers = [streams.stdout, streams.stderr].flatMap((stream) => {
    if (stream === undefined || stream === null) return [];
    const reader = createInterface({ input: stream, crlfDelay: Infinity });
    reader.on("line", (line) => {
      if (lines.push(line) > KEPT_LINES) lines.shift();
      onLine?.(line);
    });
    return once(reader, "close");
  });
  const end = new Promise<Pick<ProgramEnd, "code" | "killedBy">>((resolve) => {
    child.once("error", ({ message }) => {
      lines.push(message.includes("ENOENT") ? "not found" : message);
      resolve({ code: undefined });
    });
    // On Windows, a group can't be found after its leader has ended.
    if (endingBy === "group" && process.platform !== "win32") child.once("exit", () => killGroup(child));
    child.once("close", (code, killedBy) =>
      resolve({ code: code ?? undefined, ...(killedBy === null ? {} : { killedBy }) }),
    );
  });
  let ending: Promise<void> | undefined;
  const stop = (): void => {
    ending ??= endProgram(child, endingBy);
  };
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const fed = feed(streams.stdin, input).then((failure) => {
      if (failure !== undefined) stop();
      return failure;
    });
    const { code, killedBy } = await end;
    if (code !== undefined) await Promise.all(readers);
    await ending;
    signal?.throwIfAborted();
    const failure = await fed;
    if (failure !== undefined) throw failure;
    return { code, ...(killedBy === undefined ? {} : { killedBy }), stdout, lines };
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function parentPipe({ hasParentPipe = false }: ProgramOptions): readonly "pipe"[] {
  return hasParentPipe ? ["pipe"] : [];
}

/**
 * Resolves to the error of the input, if it has failed. It is not an error if the program stops reading (EPIPE,
 * ECONNRESET, ECANCELED): its exit code gives the reason.
 */
async function feed(
  stdin: NodeJS.WritableStream | null | undefined,
  input: AsyncIterable<Buffer> | undefined,
): Promise<unknown> {
  if (stdin === undefined || stdin === null || input === undefined) return undefined;
  stdin.on("error", () => {});
  let failure: unknown;
  async function* watched(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    try {
      yield* chunks;
    } catch (error) {
      failure = error;
      throw error;
    }
  }
  await pipeline(watched(input), stdin).catch(() => {});
  return failure;
}

/** Interval at which a program's processes are listed, in milliseconds. */
const LOOK_MS = 50;
/** Time for a process that the program starts during its cleanup, in milliseconds. */
const HELPER_MS = 2000;
/** Time between one signal and the next stronger one, in milliseconds. */
const PATIENCE_MS = 5000;

async function endProgram(child: ChildProcess, by: EndingBy): Promise<void> {
  if (child.pid === undefined) return;
  if (by === "alone") child.kill("SIGKILL");
  else if (by === "group") killGroup(child);
  else await endGently(child, child.pid, by);
}

/**
 * Ends an image builder in a way that it cleans up. After a signal, a builder would leave its containers, its temporary
 * files and even the running step. If the running step fails, it removes them. The step is the processes that the
 * builder's own children have started. On systems where processes can't be listed, a daemon does the work, so a signal
 * is enough.
 */
async function endGently(child: ChildProcess, pid: number, by: "signal" | "step"): Promise<void> {
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const byStep = by === "step" && process.platform === "linux";
  const signals: NodeJS.Signals[] = byStep ? ["SIGTERM", "SIGKILL"] : ["SIGINT", "SIGTERM", "SIGKILL"];
  const started = performance.now();
  let nextSignalMs = byStep ? PATIENCE_MS : 0;
  const killAt = new Map(stepsOf(byStep ? pid : undefined).map((step) => [step, 0]));
  while (!isOver()) {
    const passed = performance.now() - started;
    for (const step of stepsOf(byStep ? pid : undefined)) {
      // A process that starts later may be part of the cleanup, so it gets more time.
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
  // A process that was started at the last moment would keep the output streams open.
  endGroup(pid);
}

function stepsOf(root: number | undefined): number[] {
  return root === undefined
    ? []
    : descendants(root)
        .filter(({ depth }) => depth > 1)
        .map(({ pid }) => pid);
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  if (process.platform !== "win32") return endGroup(pid);
  spawn("taskkill", ["/pid", String(pid), "/t", "/f"], { stdio: "ignore" }).on("error", () => {});
}
