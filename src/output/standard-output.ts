import { constants, openSync, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { LogOutput, type WriteBytes } from "./log-output.ts";

let output: LogOutput | undefined;
let errors: LogOutput | undefined;

/** Where this process's log lines go: its standard output, written so that it never holds up the process. */
export function standardOutput(): LogOutput {
  return (output ??= flushedAtExit(new LogOutput(writerOf(1, process.stdout))));
}

/** The same for standard error. What it drops is reported on standard output. */
export function standardError(): LogOutput {
  return (errors ??= flushedAtExit(new LogOutput(writerOf(2, process.stderr), standardOutput())));
}

/** How many lines this process could not write so far. */
export function droppedLines(): number {
  return output?.dropped ?? 0;
}

function flushedAtExit(created: LogOutput): LogOutput {
  process.on("exit", () => created.flushSync());
  return created;
}

/** What Node's streams of pipes and sockets have inside. */
interface WithHandle {
  readonly _handle?: { setBlocking?: (blocks: boolean) => void } | null;
}

/** Writes to a descriptor that fails instead of waiting when the reader is behind. */
function writerOf(fd: number, stream: NodeJS.WriteStream): WriteBytes {
  if (isatty(fd)) {
    const own = reopened(fd);
    return (bytes, offset) => writeSync(own, bytes, offset);
  }
  const handle = (stream as unknown as WithHandle)._handle;
  if (typeof handle?.setBlocking !== "function") return (bytes, offset) => writeSync(fd, bytes, offset); // a file
  return (bytes, offset) => {
    // Each time: other processes share the flag, and some set it back (esbuild, as other programs in Go, when it starts).
    handle.setBlocking?.(false);
    return writeSync(fd, bytes, offset);
  };
}

/** The same terminal with flags of its own, so that writing does not wait while its output is stopped. */
function reopened(fd: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return fd; // no Linux, or somebody else's terminal
  }
}
