import { Slots } from "../../dispatch/slots.ts";
import { DispatchTally } from "../../dispatch/tally.ts";
import { DEFAULT_QUEUE, type ResolvedDispatchOptions } from "../../routes/dispatch-options.ts";
import type { RouteHandler, RouteSignature } from "../../routes/signature.ts";
import type { ResolvedServerOptions, ServerDefinition } from "../definition.ts";
import type { RouteMetrics } from "../metrics.ts";
import { RouteDispatch } from "./route-dispatch.ts";
import { createRunner } from "./runners.ts";

/** Of a route that sets nothing itself, on a server that limits all. */
const PLAIN: ResolvedDispatchOptions = {
  batch: undefined,
  maxConcurrency: undefined,
  maxQueue: DEFAULT_QUEUE,
  overloadStatus: undefined,
  workers: undefined,
  idempotent: false,
};

/** Makes the queues of a server's routes, which may share room. */
export class RouteQueues {
  readonly #definition: ServerDefinition;
  readonly #options: ResolvedServerOptions;
  readonly #shared: readonly Slots[];

  constructor(parts: { definition: ServerDefinition; options: ResolvedServerOptions }) {
    this.#definition = parts.definition;
    this.#options = parts.options;
    const limit = parts.options.maxConcurrency ?? parts.definition.maxConcurrency;
    this.#shared = limit === undefined ? [] : [new Slots(limit)];
  }

  /** The queue of a route; undefined where nothing calls for one, since it costs. */
  create(signature: RouteSignature, handler: RouteHandler, metrics: RouteMetrics): RouteDispatch | undefined {
    // A platform that asks how the app is must not wait behind its callers.
    const isFree = this.#shared.length === 0 || signature.healthCheck !== undefined;
    if (signature.dispatch === undefined && isFree) return undefined;
    const options = signature.dispatch ?? PLAIN;
    const { clock, logger } = this.#options;
    const tally = new DispatchTally();
    metrics.dispatch = tally;
    return new RouteDispatch({
      options,
      timeoutMs: signature.timeoutMs ?? this.#definition.defaultTimeoutMs,
      isStream: signature.stream,
      slots: this.#shared,
      run: createRunner({ signature, handler, app: this.#definition.app, log: logger }),
      clock,
      tally,
    });
  }
}
