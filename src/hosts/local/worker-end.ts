import { FalServerlessError } from "../../errors.ts";
import { describeExit, type WorkerEnd } from "../../processes/worker-channel.ts";

/** The circumstances of a worker's end. */
export interface WorkerCircumstances {
  readonly functionName: string;
  readonly isReady: boolean;
  readonly memoryLimitMb: number | undefined;
  /** The memory use that the worker reported when it exceeded its limit, in bytes. */
  readonly outOfMemoryBytes: number | undefined;
  /** The worker's last lines on standard error. */
  readonly lastLines: readonly string[];
}

/** Creates the error of a run whose worker has ended. The message gives the reason, and says what to do. */
export function describeEnd(end: WorkerEnd, circumstances: WorkerCircumstances): FalServerlessError {
  const { functionName } = circumstances;
  if (end.error !== undefined) {
    if (!circumstances.isReady) return cannotStart(functionName, end.error);
    return died(`The process of ${functionName} can't be reached any more: ${end.error.message}`, end.error);
  }
  const when = circumstances.isReady ? "" : " while it was set up";
  const memory = memoryReason(circumstances);
  if (memory !== undefined) return died(`The process of ${functionName} ended${when}: ${memory}`);
  const how = describeExit(end);
  const [advice] = Object.entries(ADVICE).flatMap(([known, text]) => (how.endsWith(known) ? text : []));
  return died(
    `The process of ${functionName} ended${when} (${how}).${advice === undefined ? "" : ` ${advice}`}`,
  );
}

/** Creates the error for a process that the operating system did not start. */
export function cannotStart(functionName: string, cause: unknown): FalServerlessError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return died(`The process of ${functionName} can't be started: ${why}`, cause);
}

const ADVICE: Readonly<Record<string, string>> = {
  SIGKILL: "If nobody killed it, the machine may have run out of memory.",
  SIGSEGV: "A native package crashed.",
  SIGABRT: "A native package or Node itself gave up; its last lines are in the logs.",
  SIGBUS: "A native package crashed.",
  "exit code 0": "The function called process.exit().",
  "exit code 1": "If it did not call process.exit(1), nothing caught an error, which is in the logs.",
};

function memoryReason(circumstances: WorkerCircumstances): string | undefined {
  const { memoryLimitMb, outOfMemoryBytes, lastLines } = circumstances;
  if (outOfMemoryBytes !== undefined) {
    const has = Math.round(outOfMemoryBytes / 1e6);
    return `it had ${has} MB of memory, more than its memoryLimitMb of ${memoryLimitMb}.`;
  }
  if (!lastLines.some((line) => line.includes("JavaScript heap out of memory"))) return undefined;
  return memoryLimitMb === undefined
    ? "it ran out of memory (Node's heap is full; memoryLimitMb sets its size)."
    : `it ran out of memory, with a memoryLimitMb of ${memoryLimitMb}.`;
}

function died(message: string, cause?: unknown): FalServerlessError {
  return new FalServerlessError("FUNCTION_WORKER_DIED", message, cause === undefined ? undefined : { cause });
}
