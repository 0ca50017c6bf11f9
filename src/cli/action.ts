import { ERRORS, FalServerlessError } from "../errors.ts";
import { reportFailure } from "./failure.ts";

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

function exitCodeFor(error: unknown): number {
  const kind = error instanceof FalServerlessError ? ERRORS[error.code] : undefined;
  return kind !== undefined && "exitCode" in kind ? kind.exitCode : 1;
}

function endProcess(exitCode: number): void {
  process.exitCode = exitCode;
  if (process.connected) process.exit(exitCode); // the channel to a parent would hold it
  setTimeout(() => process.exit(exitCode), LINGER_MS).unref();
}
