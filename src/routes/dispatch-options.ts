import { didYouMean } from "../did-you-mean.ts";
import { DefinitionError } from "../errors.ts";

/** How inputs of several callers go into one call of the method, which then takes and returns arrays. */
export interface BatchOptions<Input = unknown> {
  /** So many inputs at most. */
  maxSize: number;
  /** The sum of the inputs' costs at most. An input that costs more goes by itself. Default: no limit. */
  maxCost?: number;
  /** What an input counts for, such as its number of tokens; also what the time of a run is learned by. Default 1. */
  cost?: (input: Input) => number;
  /** Only inputs of one group go into one call: those of one model, say, or of one picture size. */
  groupBy?: (input: Input) => string | number | boolean;
  /**
   * When the method throws, it is called again with each half of the batch, until what is at fault stands alone. For
   * methods that may run twice on one input. Default false: an error fails the whole batch.
   */
  isolateErrors?: boolean;
}

/** Processes that run the method beside the server's own. */
export interface WorkerOptions {
  /** How many. Default: one for each of the devices. */
  count?: number;
  /** Each worker sees one of these, in turn. */
  devices?: readonly string[];
  /** The environment variable that holds it. Default "CUDA_VISIBLE_DEVICES". */
  deviceVariable?: string;
  /** The module that exports the class, `import.meta.url`. Default: where its first decorator was called. */
  module?: string;
}

/** The same with defaults filled in. */
export interface ResolvedWorkerOptions {
  readonly count: number;
  readonly devices: readonly string[];
  readonly deviceVariable: string;
  readonly module: string | undefined;
}

/** How much may wait. */
export interface QueueOptions {
  /** Requests. Default 1,000. */
  count?: number;
  /** The sum of their bodies, in bytes. Default 256 MiB. */
  bytes?: number;
}

/** When an endpoint's method runs: shared by all who call it. */
export interface DispatchOptions<Input = unknown> {
  /** Puts the inputs of several callers into one call. Default: each call by itself. */
  batch?: BatchOptions<Input>;
  /** So many calls run at a time, the others wait. Default: 1 with `batch`, else no limit of the endpoint's own. */
  maxConcurrency?: number;
  /** How many may wait where there is a limit; further ones are refused. Default: 1,000 of 256 MiB together. */
  maxQueue?: number | QueueOptions;
  /** The status of refusals for want of room or time. Default: the class's, else 429. */
  overloadStatus?: 429 | 503;
  /** Runs the method in so many processes of its own, for work that would keep the server from answering. */
  workers?: number | WorkerOptions;
  /** A call whose worker dies may be run once more. Default false. */
  idempotent?: boolean;
}

/** Options with their defaults filled in; part of a route's signature. */
export interface ResolvedDispatchOptions {
  readonly batch: BatchOptions | undefined;
  readonly maxConcurrency: number | undefined;
  readonly maxQueue: Required<QueueOptions>;
  readonly overloadStatus: 429 | 503 | undefined;
  readonly workers: ResolvedWorkerOptions | undefined;
  readonly idempotent: boolean;
}

export const DISPATCH_OPTION_NAMES = [
  "batch",
  "maxConcurrency",
  "maxQueue",
  "overloadStatus",
  "workers",
  "idempotent",
] as const satisfies readonly (keyof DispatchOptions)[];

const BATCH_OPTION_NAMES = ["maxSize", "maxCost", "cost", "groupBy", "isolateErrors"];
const WORKER_OPTION_NAMES = ["count", "devices", "deviceVariable", "module"];
const QUEUE_OPTION_NAMES = ["count", "bytes"];

/** What may wait unless an endpoint says otherwise. */
export const DEFAULT_QUEUE: Required<QueueOptions> = { count: 1000, bytes: 256 * 1024 * 1024 };

/** Complains of an option, in the words of what takes it. */
export type Refuse = (message: string) => never;

/** Checks the options of a route and fills in their defaults. @throws DefinitionError */
export function resolveDispatchOptions(where: string, options: DispatchOptions): ResolvedDispatchOptions {
  const refuse: Refuse = (message) => {
    throw new DefinitionError("ROUTE_OPTION_INVALID", `${where}: ${message}`);
  };
  const { batch, maxConcurrency, overloadStatus, idempotent = false } = options;
  if (batch !== undefined) assertBatch(batch, refuse);
  if (maxConcurrency !== undefined) assertCount("maxConcurrency", maxConcurrency, 1, refuse);
  if (overloadStatus !== undefined && overloadStatus !== 429 && overloadStatus !== 503) {
    refuse(`overloadStatus must be 429 or 503, got ${String(overloadStatus)}.`);
  }
  if (typeof idempotent !== "boolean") refuse(`idempotent must be true or false, got ${String(idempotent)}.`);
  return {
    batch,
    maxConcurrency,
    maxQueue: resolveQueue(options.maxQueue, refuse),
    overloadStatus,
    workers: options.workers === undefined ? undefined : resolveWorkers(options.workers, refuse),
    idempotent,
  };
}

/** Checks how many workers there should be, and fills in the rest. @param refuse is told what is wrong */
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

function resolveQueue(maxQueue: number | QueueOptions | undefined, refuse: Refuse): Required<QueueOptions> {
  if (maxQueue === undefined) return DEFAULT_QUEUE;
  if (typeof maxQueue === "number") {
    assertCount("maxQueue", maxQueue, 0, refuse);
    return { ...DEFAULT_QUEUE, count: maxQueue };
  }
  assertObject("maxQueue", maxQueue, QUEUE_OPTION_NAMES, refuse);
  const resolved = {
    count: maxQueue.count ?? DEFAULT_QUEUE.count,
    bytes: maxQueue.bytes ?? DEFAULT_QUEUE.bytes,
  };
  assertCount("maxQueue.count", resolved.count, 0, refuse);
  assertCount("maxQueue.bytes", resolved.bytes, 0, refuse);
  return resolved;
}

function assertBatch(batch: BatchOptions, refuse: Refuse): void {
  assertObject("batch", batch, BATCH_OPTION_NAMES, refuse);
  assertCount("batch.maxSize", batch.maxSize, 1, refuse);
  const { maxCost, isolateErrors } = batch;
  if (maxCost !== undefined && !(typeof maxCost === "number" && maxCost > 0)) {
    refuse(`batch.maxCost must be a positive number, got ${String(maxCost)}.`);
  }
  if (maxCost !== undefined && batch.cost === undefined) {
    refuse("batch.maxCost needs batch.cost, which says what an input costs.");
  }
  if (isolateErrors !== undefined && typeof isolateErrors !== "boolean") {
    refuse(`batch.isolateErrors must be true or false, got ${String(isolateErrors)}.`);
  }
  for (const name of ["cost", "groupBy"] as const) {
    if (batch[name] === undefined || typeof batch[name] === "function") continue;
    refuse(`batch.${name} must be a function of an input, got ${String(batch[name])}.`);
  }
}

function assertCount(name: string, value: unknown, minimum: number, refuse: Refuse): void {
  if (Number.isInteger(value) && (value as number) >= minimum) return;
  refuse(`${name} must be a whole number of at least ${minimum}, got ${String(value)}.`);
}

function assertObject(name: string, value: unknown, known: readonly string[], refuse: Refuse): void {
  if (typeof value !== "object" || value === null) {
    refuse(`${name} must be an object with ${known.join(", ")}, got ${String(value)}.`);
  }
  for (const key of Object.keys(value as object)) {
    if (known.includes(key)) continue;
    refuse(`unknown option "${name}.${key}"${didYouMean(key, known) || `; known: ${known.join(", ")}.`}`);
  }
}
