import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import { endProcess, type EndingBy } from "./program-end.ts";

/** How a program is run. */
export interface ProgramOptions {
  readonly environment?: NodeJS.ProcessEnv;
  /** Goes to its standard input, which is empty otherwise. */
  readonly input?: AsyncIterable<Buffer>;
  readonly signal?: AbortSignal;
  /** How it is ended when the signal aborts. Default "signal". */
  readonly endingBy?: EndingBy;
  /** Told of each line that it prints, on either output. */
  readonly onLine?: (line: string) => void;
}

/** How a program ended. */
export interface ProgramEnd {
  /** Undefined when it could not be started, or was ended by a signal. */
  readonly code: number | undefined;
  readonly stdout: string;
  /** The last lines of both outputs, in the order in which they came. */
  readonly lines: readonly string[];
}

/** So many lines are kept, to show what a program said before it failed. */
const KEPT_LINES = 200;

/**
 * Runs a program to its end. When the signal aborts, this waits until the program has cleared away what it has made.
 * @throws the signal's reason, or what the input throws
 */
export async function runProgram(
  command: string,
  args: readonly string[],
  { environment = process.env, input, signal, endingBy = "signal", onLine }: ProgramOptions = {},
): Promise<ProgramEnd> {
  signal?.throwIfAborted();
  // In a group of its own: Ctrl-C on a terminal would end it before it can clear away.
  const child = spawn(command, args, {
    env: environment,
    stdio: ["pipe", "pipe", "pipe"],
    detached: process.platform !== "win32",
    windowsHide: true,
  });
  const lines: string[] = [];
  let stdout = "";
  // Where this process may open no more files, Node gives no streams, and tells so by an event.
  const streams = child as Partial<typeof child>;
  streams.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  const outputs = [streams.stdout, streams.stderr].filter((stream) => stream !== undefined);
  const readers = outputs.map((stream) => {
    const reader = createInterface({ input: stream, crlfDelay: Infinity });
    reader.on("line", (line) => {
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.shift();
      onLine?.(line);
    });
    return once(reader, "close");
  });
  const end = new Promise<number | undefined>((resolve) => {
    child.once("error", ({ message }) => {
      lines.push(message.includes("ENOENT") ? "not found" : message);
      resolve(undefined);
    });
    child.once("close", (code) => resolve(code ?? undefined));
  });
  let ending: Promise<void> | undefined;
  const stop = (): void => {
    ending ??= endProcess(child, endingBy);
  };
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const fed = feed(streams.stdin, input).then((failure) => {
      if (failure !== undefined) stop();
      return failure;
    });
    const code = await end;
    if (code !== undefined) await Promise.all(readers);
    await ending;
    signal?.throwIfAborted();
    const failure = await fed;
    if (failure !== undefined) throw failure;
    return { code, stdout, lines };
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/**
 * Resolves to what the input threw. That the program did not want to read on is no failure here, by whatever name
 * the system calls it (EPIPE, ECONNRESET, ECANCELED when it ends in mid-write): its exit code says why.
 */
async function feed(
  stdin: NodeJS.WritableStream | undefined,
  input: AsyncIterable<Buffer> | undefined,
): Promise<unknown> {
  if (stdin === undefined) return undefined;
  stdin.on("error", () => {});
  if (input === undefined) {
    stdin.end();
    return undefined;
  }
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
