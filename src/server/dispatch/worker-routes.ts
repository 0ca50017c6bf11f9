import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import type { Clock } from "../../dispatch/clock.ts";
import { Failure, runBatch, type RunSignal } from "../../dispatch/batch-run.ts";
import type { RunBatch } from "../../dispatch/dispatcher.ts";
import { Slots } from "../../dispatch/slots.ts";
import { DefinitionError } from "../../errors.ts";
import { isStreamed } from "../../routes/body-kind.ts";
import type { MediaCall } from "../../routes/media-runtime.ts";
import { mediaOf } from "../../routes/route-media.ts";
import { describeRoute, type RouteSignature } from "../../routes/signature.ts";
import { currentTracing, type TraceCarrier } from "../../tracing/tracing.ts";
import { Pace } from "../../workers/pace.ts";
import { WorkerPool } from "../../workers/pool.ts";
import { NOT_BEGUN } from "../../workers/running-call.ts";
import type { ServerDefinition } from "../definition.ts";
import { filesOf } from "../files/server-files.ts";
import type { QueuedCall } from "./route-dispatch.ts";

/** Time that workers with a running call have to end it after a forced stop, in ms. */
const CUT_GRACE_MS = 1_000;

/** The routes of a class that run in worker processes, and their shared pool. */
export class WorkerRoutes {
  readonly pool: WorkerPool;
  /** One slot per ready worker. */
  readonly slots = new Slots(0);
  /** No route runs in the main process, so setup is not needed there. */
  readonly coversAllRoutes: boolean;
  readonly #routes: ReadonlySet<RouteSignature>;
  readonly #paces = new Map<RouteSignature, Pace>();
  readonly #clock: Clock;
  readonly #defaultTimeoutMs: number | undefined;

  /** @param routes the routes that run in workers */
  constructor(
    definition: ServerDefinition,
    routes: ReadonlySet<RouteSignature>,
    { clock, log, stuckGraceMs }: { clock: Clock; log: Logger; stuckGraceMs: number },
  ) {
    this.#routes = routes;
    this.#clock = clock;
    this.#defaultTimeoutMs = definition.defaultTimeoutMs;
    this.coversAllRoutes = routes.size === definition.routes.size;
    this.pool = new WorkerPool({
      ...poolOptions(definition, routes),
      clock,
      log,
      stuckGraceMs,
      reserve: (context, facts) => (filesOf(context) as MediaCall).reserve(facts), // only routes with files ask
    });
    this.pool.onReadyChange((ready) => this.slots.resize(ready));
  }

  has(signature: RouteSignature): boolean {
    return this.#routes.has(signature);
  }

  /** Runs a route's calls in a worker. */
  createRunner(signature: RouteSignature): RunBatch<QueuedCall> {
    const run = this.#createRunner(signature);
    // Only routes with files wait before a call begins.
    if (signature.stream !== false || mediaOf(signature) === undefined) return run;
    return async (calls, signals) => run(await Promise.all(calls.map(withPackedFiles)), signals);
  }

  #createRunner(signature: RouteSignature): RunBatch<QueuedCall> {
    const { methodName, input, dispatch } = signature;
    const route = describeRoute(signature);
    const batch = dispatch?.batch;
    if (signature.stream !== false) return this.#createStreamRunner(signature);
    if (batch === undefined && !signature.isWebsocket) return this.#createQuickRunner(signature);
    const call = (calls: readonly QueuedCall[], { signal, finishBy }: RunSignal): Promise<unknown> => {
      const run = (trace?: TraceCarrier): Promise<unknown> =>
        this.pool.run({
          route,
          inputs: input === undefined ? undefined : calls.map((each) => each.input),
          batched: batch !== undefined,
          contexts: calls.map(({ context }) => context),
          trace,
          signal,
          finishBy,
        });
      const span = currentTracing()?.start(`worker ${methodName}`, undefined, { kind: "CLIENT" });
      return span === undefined ? run() : span.around(() => run(span.carrier));
    };
    if (batch === undefined) return async (calls, run) => [await call(calls, run)];
    return (calls, run) =>
      runBatch(methodName, calls, (some) => call(some, run), batch.isolateErrors ?? false, run);
  }

  /** Runs calls one by one, or several that a worker runs one after the other. */
  #createQuickRunner(signature: RouteSignature): RunBatch<QueuedCall> {
    const { input, methodName } = signature;
    const route = describeRoute(signature);
    const pace = this.#paceOf(signature);
    const onTime = (ms: number): void => pace.add(ms);
    return async (calls, run) => {
      const span = currentTracing()?.start(`worker ${methodName}`, undefined, { kind: "CLIENT" });
      const aborts: ((reason: unknown) => void)[] = [];
      run.onLeave((index, reason) => aborts[index]?.(reason));
      const started = (trace?: TraceCarrier): Promise<unknown>[] =>
        this.pool.runAll(
          calls.map((call, index) => ({
            route,
            inputs: input === undefined ? undefined : [call.input],
            batched: false,
            contexts: [call.context],
            trace,
            onAbort: (listener) => (aborts[index] = listener),
            onTime,
            finishBy: run.finishBy,
          })),
        );
      const [first, ...others] = span === undefined ? started() : started(span.carrier);
      if (others.length === 0) return [await (span === undefined ? first : span.around(() => first))];
      return Promise.all(
        [first as Promise<unknown>, ...others].map((answer, index) => handOn(answer, index, run)),
      );
    };
  }

  #paceOf(signature: RouteSignature): Pace {
    let pace = this.#paces.get(signature);
    if (pace === undefined) this.#paces.set(signature, (pace = new Pace()));
    return pace;
  }

  /** The number of calls of a route that a worker may take at once; undefined: one. */
  together(signature: RouteSignature): (() => number) | undefined {
    const { stream, dispatch, isWebsocket } = signature;
    if (stream !== false || dispatch?.batch !== undefined || isWebsocket) return undefined;
    const pace = this.#paceOf(signature);
    return () => (currentTracing() === undefined ? pace.together : 1);
  }

  /** Gives a stream a worker until it is over and the worker has ended its call. */
  #createStreamRunner(signature: RouteSignature): RunBatch<QueuedCall> {
    const { stream, input, methodName } = signature;
    const route = describeRoute(signature);
    const { timeoutMs = this.#defaultTimeoutMs } = signature;
    const clock = this.#clock;
    const deadline = (): number => (timeoutMs === undefined ? Infinity : clock.now() + timeoutMs);
    return async ([call]) => {
      if (call === undefined) return [];
      const { context } = call;
      let ended: Promise<void> | undefined;
      call.begin?.((given) => {
        let onEnd!: () => void;
        ended = new Promise((resolve) => (onEnd = resolve));
        const inputs = input === undefined ? undefined : [given];
        const run = async (trace?: TraceCarrier): Promise<unknown> =>
          this.pool.run({
            route,
            inputs,
            batched: false,
            contexts: [context],
            trace,
            signal: context.signal,
            finishBy: deadline(),
            stream: { kind: stream === "optional" ? stream : true, deadline, onEnd },
          });
        const span = currentTracing()?.start(`worker ${methodName}`, undefined, { kind: "CLIENT" });
        const answer = span === undefined ? run() : span.around(() => run(span.carrier));
        answer.catch(onEnd); // the call may not have been sent
        return answer;
      });
      await call.untilOver;
      await ended;
      return [undefined];
    };
  }

  /** Starts and stops the workers together with a server. */
  attach(server: FastifyInstance, wasCut: () => boolean): void {
    server.register(async () => this.pool.start());
    server.addHook("onClose", () => this.pool.stop(wasCut() ? CUT_GRACE_MS : undefined));
  }
}

/** A call whose input can be sent to a worker: its files are bytes or paths. */
async function withPackedFiles(call: QueuedCall): Promise<QueuedCall> {
  const files = filesOf(call.context);
  return files === undefined ? call : { ...call, input: await files.pack(call.input) };
}

/** Hands on one of several answers. */
async function handOn(answer: Promise<unknown>, index: number, run: RunSignal): Promise<unknown> {
  try {
    run.handOn(index, await answer);
    return undefined;
  } catch (error) {
    if (error === NOT_BEGUN) run.putBack(index);
    else run.handOn(index, new Failure(error));
    return new Failure(error);
  }
}

/** The routes of a class that run in workers: those that ask for it, or all possible ones if the class asks for it. */
export function workerRoutes(definition: ServerDefinition): ReadonlySet<RouteSignature> {
  const routes = [...definition.routes.keys()];
  const chosen = routes.filter(({ dispatch, isWebsocket, healthCheck, body }) => {
    if (dispatch?.workers !== undefined) return true;
    // Sessions keep state, but each batch may run in a different worker.
    const canMove = !isWebsocket && healthCheck === undefined && !isStreamed(body);
    return definition.workers !== undefined && canMove;
  });
  return new Set(chosen);
}

function poolOptions(
  definition: ServerDefinition,
  routes: ReadonlySet<RouteSignature>,
): {
  moduleUrl: string;
  className: string;
  count: number;
  devices: readonly string[];
  deviceVariable: string;
} {
  const requested = [...routes].map(({ dispatch }) => dispatch?.workers).filter((each) => each !== undefined);
  const largest = requested.reduce(
    (one, other) => (other.count > one.count ? other : one),
    requested[0] ?? NONE,
  );
  const { count, devices, deviceVariable, module } = definition.workers ?? largest;
  const moduleUrl = module ?? definition.moduleUrl;
  const { className } = definition;
  if (moduleUrl !== undefined) return { moduleUrl, className, count, devices, deviceVariable };
  throw new DefinitionError(
    "SETTING_INVALID",
    `The module that defines ${className} is unknown; name it with workers: { count: ${count}, module: import.meta.url }.`,
  );
}

const NONE = { count: 1, devices: [], deviceVariable: "CUDA_VISIBLE_DEVICES", module: undefined };
