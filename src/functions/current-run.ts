import { currentRuntime } from "./runtime.ts";

/** What a handler can learn of the call that it runs for. */
export interface RunContext {
  /**
   * Aborted when the caller has cancelled or the time is up. A run that does not end within a second then is ended
   * with its process.
   */
  readonly signal: AbortSignal;
}

const NEVER = new AbortController().signal;

/**
 * The run that an isolated function's handler is called for. Ask at the beginning of the handler, in the worker one run
 * follows the other. Outside of a worker, where nobody cancels, its signal is never aborted.
 */
export function currentRun(): RunContext {
  return { signal: currentRuntime()?.signal ?? NEVER };
}
