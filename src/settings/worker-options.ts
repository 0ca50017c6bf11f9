import { didYouMean } from "../did-you-mean.ts";
import { assertFits, misfit, wholeNumber, type Check, type Refuse } from "./check.ts";

/** The worker processes that run a method, or all methods of a class. */
export interface WorkerOptions {
  /** Number of processes. Default: one for each device. */
  count?: number;
  /** Devices, such as GPUs, that are assigned to the workers in turn, one to each. */
  devices?: readonly string[];
  /** The environment variable that holds a worker's device. Default "CUDA_VISIBLE_DEVICES". */
  deviceVariable?: string;
  /**
   * The module that exports the class, as `import.meta.url`. Default: the module in which the class's first decorator
   * was called.
   */
  module?: string;
}

/** {@link WorkerOptions} with defaults filled in. */
export interface ResolvedWorkerOptions {
  readonly count: number;
  readonly devices: readonly string[];
  readonly deviceVariable: string;
  readonly module: string | undefined;
}

const WORKER_OPTION_NAMES = ["count", "devices", "deviceVariable", "module"];

/** Checks the options and fills in the defaults. @param refuse throws an error with the message */
export function resolveWorkers(workers: number | WorkerOptions, refuse: Refuse): ResolvedWorkerOptions {
  if (typeof workers === "number") {
    assertCount("workers", workers, 1, refuse);
    return { count: workers, devices: [], deviceVariable: "CUDA_VISIBLE_DEVICES", module: undefined };
  }
  assertObject("workers", workers, WORKER_OPTION_NAMES, refuse);
  const { devices = [], deviceVariable = "CUDA_VISIBLE_DEVICES" } = workers;
  const isList = Array.isArray(devices) && devices.every((device) => typeof device === "string");
  if (!isList) refuse('workers.devices must be a list of texts, such as ["0", "1"].');
  if (workers.count === undefined && devices.length === 0) refuse("workers needs a count, or devices.");
  if (typeof deviceVariable !== "string" || !/^[A-Za-z_]\w*$/.test(deviceVariable)) {
    refuse(`workers.deviceVariable must be the name of a variable, got ${String(deviceVariable)}.`);
  }
  const { count = devices.length, module } = workers;
  if (module !== undefined && !(typeof module === "string" && module.startsWith("file:"))) {
    refuse(`workers.module must be a file: URL; write import.meta.url.`);
  }
  assertCount("workers.count", count, 1, refuse);
  return { count, devices, deviceVariable, module };
}

/** The check of a class's workers. */
export const workerOptions: Check<number | WorkerOptions> = (value) => {
  try {
    resolveWorkers(value as number | WorkerOptions, (message) => {
      throw new TypeError(message);
    });
    return value as number | WorkerOptions;
  } catch (error) {
    return misfit(`a number or { count, devices } (${(error as Error).message})`, value);
  }
};

/** Refuses a value that is not a whole number. Without a maximum, so that `Number.MAX_VALUE` means no limit. */
export function assertCount(name: string, value: unknown, minimum: number, refuse: Refuse): void {
  assertFits(name, value, wholeNumber(minimum, Infinity), refuse);
}

export function assertObject(name: string, value: unknown, known: readonly string[], refuse: Refuse): void {
  if (typeof value !== "object" || value === null) {
    refuse(`${name} must be an object with ${known.join(", ")}, got ${String(value)}.`);
  }
  for (const key of Object.keys(value as object)) {
    if (known.includes(key)) continue;
    refuse(`unknown option "${name}.${key}"${didYouMean(key, known) || `; known: ${known.join(", ")}.`}`);
  }
}
