import type { RequestContext } from "../context.ts";
import { DefinitionError } from "../errors.ts";
import { assertFits, flag, type Refuse } from "../settings/check.ts";
import { SETTINGS } from "../settings/settings.ts";
import {
  assertCount,
  assertObject,
  resolveWorkers,
  type ResolvedWorkerOptions,
  type WorkerOptions,
} from "../settings/worker-options.ts";

/** Batching: the inputs of several callers go into one call of the method, which takes and returns arrays. */
export interface BatchOptions<Input = unknown, Request = RequestContext> {
  /** Maximum number of inputs. */
  maxSize: number;
  /** Maximum sum of the inputs' costs. An input that costs more runs alone. Default: no limit. */
  maxCost?: number;
  /**
   * The cost of an input, such as its number of tokens. It also predicts the time of a run. Default 1. Gets the context
   * of the input's request, with its parameters and caller, as the second argument.
   */
  cost?: (input: Input, request: Request) => number;
  /**
   * Only inputs of the same group share a call, such as those of one model, image size or user. Gets the context of the
   * input's request, with its parameters and caller, as the second argument.
   */
  groupBy?: (input: Input, request: Request) => string | number | boolean;
  /**
   * If the method throws, call it again with each half of the batch, until only the faulty inputs fail. For methods
   * that may run twice on the same input. Default false: an error fails the whole batch.
   */
  isolateErrors?: boolean;
}

/** The options of any batch. The functions in them are called only with the inputs and the requests of their own route. */
export type AnyBatchOptions = BatchOptions<never, never>;

/** Limits of a queue. */
export interface QueueOptions {
  /** Maximum number of queued requests. Default 1,000. */
  count?: number;
  /** Maximum sum of their bodies, in bytes. Default 256 MiB. */
  bytes?: number;
}

/** Options that determine when an endpoint's method runs. The limits apply to all callers together. */
export interface DispatchOptions<Input = unknown> {
  /** Puts the inputs of several callers into one call. Default: one call for each input. */
  batch?: BatchOptions<Input>;
  /** Maximum number of concurrent calls; further ones are queued. Default: 1 with `batch`, otherwise no limit. */
  maxConcurrency?: number;
  /** Maximum size of the queue; further requests are rejected. Default: 1,000 requests, 256 MiB together. */
  maxQueue?: number | QueueOptions;
  /** HTTP status of requests rejected under overload. Default: the class's, else 429. */
  overloadStatus?: 429 | 503;
  /** Runs the method in worker processes, for work that would block the server. */
  workers?: number | WorkerOptions;
  /** Whether a call may be retried once if its worker dies. Default false. */
  idempotent?: boolean;
}

/** {@link DispatchOptions} with defaults filled in: part of a route's signature. */
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

/** The default limits of a queue. */
export const DEFAULT_QUEUE: Required<QueueOptions> = { count: 1000, bytes: 256 * 1024 * 1024 };

/** Checks the options of a route and fills in their defaults. @throws DefinitionError */
export function resolveDispatchOptions(
  where: string,
  options: Omit<DispatchOptions, "batch"> & { batch?: AnyBatchOptions },
): ResolvedDispatchOptions {
  const refuse: Refuse = (message) => {
    throw new DefinitionError("ROUTE_OPTION_INVALID", `${where}: ${message}`);
  };
  const { batch, maxConcurrency, overloadStatus, idempotent = false } = options;
  if (batch !== undefined) assertBatch(batch, refuse);
  if (maxConcurrency !== undefined) assertCount("maxConcurrency", maxConcurrency, 1, refuse);
  if (overloadStatus !== undefined) {
    assertFits("overloadStatus", overloadStatus, SETTINGS.overloadStatus.check, refuse);
  }
  assertFits("idempotent", idempotent, flag, refuse);
  return {
    batch: batch as BatchOptions | undefined,
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

function assertBatch(batch: AnyBatchOptions, refuse: Refuse): void {
  assertObject("batch", batch, BATCH_OPTION_NAMES, refuse);
  assertCount("batch.maxSize", batch.maxSize, 1, refuse);
  const { maxCost, isolateErrors } = batch;
  if (maxCost !== undefined && !(typeof maxCost === "number" && maxCost > 0)) {
    refuse(`batch.maxCost must be a positive number, got ${String(maxCost)}.`);
  }
  if (maxCost !== undefined && batch.cost === undefined) {
    refuse("batch.maxCost needs batch.cost, which returns the cost of an input.");
  }
  if (isolateErrors !== undefined) assertFits("batch.isolateErrors", isolateErrors, flag, refuse);
  for (const name of ["cost", "groupBy"] as const) {
    if (batch[name] === undefined || typeof batch[name] === "function") continue;
    refuse(`batch.${name} must be a function of an input, got ${String(batch[name])}.`);
  }
}
