import { constants, openSync, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { LogOutput, type WriteBytes } from "./log-output.ts";

let output: LogOutput | undefined;
let errors: LogOutput | undefined;

/** The output of this process's log lines: its standard output, written without blocking. */
export function standardOutput(): LogOutput {
  return (output ??= flushedAtExit(new LogOutput(writerOf(1, process.stdout))));
}

/** The same for standard error. Lines dropped here are reported on standard output. */
export function standardError(): LogOutput {
  return (errors ??= flushedAtExit(new LogOutput(writerOf(2, process.stderr), standardOutput())));
}

/** The number of lines that this process has dropped so far. */
export function droppedLines(): number {
  return output?.dropped ?? 0;
}

function flushedAtExit(created: LogOutput): LogOutput {
  process.on("exit", () => created.flushSync());
  return created;
}

/** Internals of Node's pipe and socket streams. */
interface WithHandle {
  readonly _handle?: { setBlocking?: (blocks: boolean) => void } | null;
}

/** Writes to a descriptor and fails instead of blocking when the reader is behind. */
function writerOf(fd: number, stream: NodeJS.WriteStream): WriteBytes {
  if (isatty(fd)) {
    const own = reopened(fd);
    return (bytes, offset) => writeSync(own, bytes, offset);
  }
  const handle = (stream as unknown as WithHandle)._handle;
  if (typeof handle?.setBlocking !== "function") return (bytes, offset) => writeSync(fd, bytes, offset); // a file
  return (bytes, offset) => {
    // Set before each write: other processes share the flag, and some reset it (esbuild, like other Go programs, when
    // it starts).
    handle.setBlocking?.(false);
    return writeSync(fd, bytes, offset);
  };
}

/** Opens the same terminal with separate flags, so that writing does not block while its output is paused. */
function reopened(fd: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return fd; // not Linux, or another user's terminal
  }
}
