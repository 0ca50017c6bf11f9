import { ERRORS, FalServerlessError } from "../errors.ts";
import { styleFor } from "./style.ts";

/** What every command takes. */
export interface CommonOptions {
  readonly debug?: boolean;
}

/** How long a process may take to end by itself, in milliseconds: what the app left open would hold it for ever. */
const LINGER_MS = 500;

/**
 * Runs a command's work and ends the process with the code it returns (nothing: 0), or with the failure's code
 * after saying what went wrong.
 */
export async function runAction(options: CommonOptions, work: () => Promise<number | void>): Promise<void> {
  try {
    endProcess((await work()) ?? 0);
  } catch (error) {
    await reportFailure(error, options.debug ?? false);
    endProcess(exitCodeFor(error));
  }
}

/** Says on standard error what went wrong, in a line or two. With `debug`, the stack and its causes too. */
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
    // setup() is the user's own code: say where it gave up
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
