import { ERRORS, FalServerlessError } from "../errors.ts";
import { styleFor } from "./style.ts";

/** Options that every command has. */
export interface CommonOptions {
  readonly debug?: boolean;
}

/** Maximum time for a process to end by itself, in ms: handles that the app left open would keep it alive. */
const LINGER_MS = 500;

/**
 * Runs a command and ends the process with the exit code it returns (default 0). If it throws, the error is printed and the
 * exit code is the error's.
 */
export async function runAction(options: CommonOptions, work: () => Promise<number | void>): Promise<void> {
  try {
    endProcess((await work()) ?? 0);
  } catch (error) {
    await reportFailure(error, options.debug ?? false);
    endProcess(exitCodeFor(error));
  }
}

/** Prints an error on standard error, in a line or two. With `debug`, its stack and its causes too. */
async function reportFailure(error: unknown, debug: boolean): Promise<void> {
  const { red, dim } = styleFor(process.stderr);
  process.stderr.write(`${red("error:")} ${await explain(error)}\n`);
  if (!debug) return;
  const { inspect } = await import("node:util");
  process.stderr.write(`${dim(inspect(error))}\n`);
}

async function explain(error: unknown): Promise<string> {
  const { messageOf } = await import("./load-failure.ts");
  const { userFrame } = await import("./user-frame.ts");
  if (error instanceof FalServerlessError) {
    // setup() is user code: name the line that threw.
    const frame = error.code === "SETUP_FAILED" ? userFrame(error.cause) : undefined;
    return frame === undefined ? error.message : `${error.message}\n  at ${frame}`;
  }
  const frame = userFrame(error);
  return frame === undefined ? messageOf(error) : `${messageOf(error)}\n  at ${frame}`;
}

function exitCodeFor(error: unknown): number {
  const kind = error instanceof FalServerlessError ? ERRORS[error.code] : undefined;
  return kind !== undefined && "exitCode" in kind ? kind.exitCode : 1;
}

function endProcess(exitCode: number): void {
  process.exitCode = exitCode;
  if (process.connected) process.exit(exitCode); // the channel to a parent would hold it
  setTimeout(() => process.exit(exitCode), LINGER_MS).unref();
}
