import { Slots } from "../../dispatch/slots.ts";
import { DEFAULT_QUEUE, type ResolvedDispatchOptions } from "../../routes/dispatch-options.ts";
import { documentPath } from "../../routes/path-pattern.ts";
import { methodOf, type RouteHandler, type RouteSignature } from "../../routes/signature.ts";
import type { ResolvedServerOptions, ServerDefinition } from "../definition.ts";
import type { ServerMetrics } from "../metrics/metrics.ts";
import { CHECK_INTERVAL_MS } from "../../workers/vital-signs.ts";
import { RouteDispatch } from "./route-dispatch.ts";
import { WorkerRoutes, workerRoutes } from "./worker-routes.ts";
import { createRunner } from "./runners.ts";

/** Options of a route without options of its own, on a server with a limit for all routes. */
const DEFAULTS: ResolvedDispatchOptions = {
  batch: undefined,
  maxConcurrency: undefined,
  maxQueue: DEFAULT_QUEUE,
  overloadStatus: undefined,
  workers: undefined,
  idempotent: false,
};

/** Creates the queues of a server's routes, which may share slots. */
export class RouteQueues {
  readonly #definition: ServerDefinition;
  readonly #options: ResolvedServerOptions;
  readonly #metrics: ServerMetrics;
  /** The routes that run in worker processes; undefined if there are none. */
  readonly workers: WorkerRoutes | undefined;
  readonly #shared: readonly Slots[];
  /** The slots of calls in this process, with a name for messages. */
  readonly #held: (readonly [name: string, slots: Slots])[] = [];

  constructor(parts: {
    definition: ServerDefinition;
    options: ResolvedServerOptions;
    metrics: ServerMetrics;
  }) {
    this.#definition = parts.definition;
    this.#options = parts.options;
    this.#metrics = parts.metrics;
    const inWorkers = workerRoutes(parts.definition);
    const { clock, logger: log, stuckGraceMs } = parts.options;
    if (inWorkers.size > 0) {
      this.workers = new WorkerRoutes(parts.definition, inWorkers, { clock, log, stuckGraceMs });
    }
    this.#metrics.workers = this.workers?.pool;
    const limit = parts.options.maxMultiplexing;
    this.#shared = limit === undefined ? [] : [new Slots(limit)];
    for (const slots of this.#shared) this.#held.push([parts.definition.name, slots]);
  }

  /**
   * The name of a queue that accepts no calls because calls past their deadlines hold all of its slots; otherwise
   * undefined.
   */
  get stuck(): string | undefined {
    const { clock, stuckGraceMs } = this.#options;
    // Stuck calls in workers are ended with their worker, at the next check of its vital signs.
    const graceMs = stuckGraceMs + (this.workers === undefined ? 0 : 2 * CHECK_INTERVAL_MS);
    return this.#held.find(([, slots]) => slots.isStuck(clock.now(), graceMs))?.[0];
  }

  /** Creates the queue of a route; undefined if none is needed, since a queue costs time. */
  create(signature: RouteSignature, handler: RouteHandler): RouteDispatch | undefined {
    // Health checks of a platform must not wait behind calls, nor cancellations behind the calls that they end.
    const workers = this.workers?.has(signature) ? this.workers : undefined;
    const isFree =
      this.#shared.length === 0 || signature.healthCheck !== undefined || this.#cancels(signature);
    if (signature.dispatch === undefined && workers === undefined && isFree) return undefined;
    const own = signature.dispatch ?? DEFAULTS;
    const options = { ...own, overloadStatus: own.overloadStatus ?? this.#definition.overloadStatus };
    const { clock, logger } = this.#options;
    const metrics = this.#metrics.queue(
      signature.isWebsocket ? "WEBSOCKET" : methodOf(signature),
      documentPath(signature.path),
    );
    const slots = new Slots(concurrencyOf(options, workers !== undefined));
    if (workers === undefined) this.#held.push([signature.path, slots]);
    return new RouteDispatch({
      name: signature.methodName,
      options,
      timeoutMs: signature.isWebsocket
        ? undefined
        : (signature.timeoutMs ?? this.#definition.defaultTimeoutMs),
      isStream: signature.stream !== false,
      slots: workers === undefined ? [slots, ...this.#shared] : [slots, workers.slots, ...this.#shared],
      run:
        workers?.createRunner(signature) ??
        createRunner({ signature, handler, app: this.#definition.app, log: logger }),
      together: workers?.together(signature),
      clock,
      metrics,
      onHint: (advice) => logger.info({ route: signature.path }, advice),
    });
  }

  /** Whether a route is the one that a platform calls to cancel calls of another: `/image/cancel` beside `/image`. */
  #cancels({ path }: RouteSignature): boolean {
    const [, cancelled] = /^(.*)\/cancel$/.exec(path) ?? [];
    if (cancelled === undefined) return false;
    return [...this.#definition.routes.keys()].some((each) => each.path === (cancelled || "/"));
  }
}

/** Concurrent calls of a route: in workers, one per worker; for batches, one; otherwise unlimited. */
function concurrencyOf(
  { batch, maxConcurrency, workers }: ResolvedDispatchOptions,
  inWorkers: boolean,
): number {
  const usual = inWorkers ? (workers?.count ?? Infinity) : batch === undefined ? Infinity : 1;
  return Math.min(maxConcurrency ?? usual, inWorkers ? usual : Infinity);
}
