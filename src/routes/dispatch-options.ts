import { DefinitionError } from "../errors.ts";
import {
  assertCount,
  assertObject,
  resolveWorkers,
  type Refuse,
  type ResolvedWorkerOptions,
  type WorkerOptions,
} from "../settings/worker-options.ts";

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
const QUEUE_OPTION_NAMES = ["count", "bytes"];

/** What may wait unless an endpoint says otherwise. */
export const DEFAULT_QUEUE: Required<QueueOptions> = { count: 1000, bytes: 256 * 1024 * 1024 };

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
