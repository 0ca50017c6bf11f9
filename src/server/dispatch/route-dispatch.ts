import type { IncomingHttpHeaders } from "node:http";
import type { RequestContext } from "../../context.ts";
import { Dispatcher, type RunBatch } from "../../dispatch/dispatcher.ts";
import type { Clock } from "../../dispatch/clock.ts";
import type { Job, JobRequest } from "../../dispatch/job.ts";
import type { Slots } from "../../dispatch/slots.ts";
import type { DispatchMetrics } from "../../dispatch/metrics.ts";
import type { Refusal } from "../../dispatch/refusal.ts";
import { WorkerDiedException } from "../../errors.ts";
import { type Span, spanOf } from "../../tracing/tracing.ts";
import { endWithAnswer, traceRuns } from "../tracing/queue-spans.ts";
import type { ResolvedDispatchOptions } from "../../routes/dispatch-options.ts";

/** A call of a method, queued or running. */
export interface QueuedCall {
  readonly context: RequestContext;
  readonly input: unknown;
  /** Of a stream: resolves when it is over. */
  readonly untilOver?: Promise<void>;
  /** Of a stream: called when it may begin. */
  readonly begin?: (start?: StartInWorker) => void;
  /** The span of its time in the queue. */
  readonly waiting?: Span | undefined;
}

/** Calls the method of a stream in the worker that its queue has assigned. Resolves to its result. */
export type StartInWorker = (input: unknown) => Promise<unknown>;

/** The place of a stream in its queue. */
export interface Entry {
  /** Undefined: the method runs in this process. */
  readonly start: StartInWorker | undefined;
  /** Called when the stream is over. */
  leave(): void;
}

/** The receiver of a call's answer. */
export interface Caller {
  /** Registers a callback for when the answer is no longer wanted. */
  watch(onAbort: (reason: unknown) => void): void;
  /** Aborts the handler. */
  abort(reason: unknown): void;
}

/** The parts of a request that are known before its body. */
export interface Arrival {
  readonly headers: IncomingHttpHeaders | RequestContext["headers"];
  /** The length of the body. */
  readonly bytes: number;
  /** How long the request may have waited before it was read, in milliseconds. Default 0. */
  readonly unreadMs?: number;
}

/** The properties of a request that decide about the place of its job in the queue. */
type JobLimits = Required<
  Pick<JobRequest<unknown>, "arrivedAt" | "bytes" | "priority" | "finishBy" | "startBy" | "isCallersLimit">
>;

/**
 * The queue between a route and its method: reads limits and priorities from requests and submits them to the
 * dispatcher.
 */
export class RouteDispatch {
  readonly #dispatcher: Dispatcher<QueuedCall>;
  readonly #options: ResolvedDispatchOptions;
  readonly #timeoutMs: number | undefined;
  readonly #clock: Clock;
  readonly #isStream: boolean;

  constructor(parts: {
    /** The name of the method. */
    name: string;
    options: ResolvedDispatchOptions;
    timeoutMs: number | undefined;
    isStream: boolean;
    /** The route's own slots, one per concurrent call or batch, and those shared with other routes. */
    slots: readonly Slots[];
    run: RunBatch<QueuedCall>;
    /** The number of calls that a slot may take at once. Default: one. */
    together?: (() => number) | undefined;
    clock: Clock;
    metrics: DispatchMetrics;
    onHint: (advice: string) => void;
  }) {
    const { options, slots, clock } = parts;
    const { batch } = options;
    this.#options = options;
    this.#timeoutMs = parts.timeoutMs;
    this.#clock = clock;
    this.#isStream = parts.isStream;
    this.#dispatcher = new Dispatcher({
      limits: { maxSize: batch?.maxSize ?? 1, maxCost: batch?.maxCost ?? Infinity },
      queue: options.maxQueue,
      slots: slots,
      run: traceRuns(parts.name, batch !== undefined, parts.run),
      together: parts.together,
      isRetried: (error) => options.idempotent && error instanceof WorkerDiedException,
      overloadStatus: options.overloadStatus,
      clock,
      metrics: parts.metrics,
      onHint: parts.onHint,
    });
  }

  /** Refuses a request before its body is read, if it would be refused anyway. */
  rejectEarly(arrival: Arrival): Refusal | undefined {
    return this.#dispatcher.rejectEarly(this.#limitsOf(arrival));
  }

  /** Counts another request that is refused for the same reason, a moment later. */
  rejectAgain(refusal: Refusal, now: number): void {
    this.#dispatcher.rejectAgain(refusal, now);
  }

  /** A number that changes when a refusal may not hold any more. */
  get changes(): number {
    return this.#dispatcher.changes;
  }

  /** The time, on the clock of its deadlines. */
  get now(): number {
    return this.#clock.now();
  }

  /** Queues a call and runs it in its turn, unless it is cancelled. Default for `caller`: the context's signal. */
  submit(context: RequestContext, input: unknown, bytes: number, caller?: Caller): Job<QueuedCall> {
    const { batch } = this.#options;
    const cost = batch?.cost?.(input, context) ?? 1;
    if (!(cost >= 0 && cost < Infinity))
      throw new TypeError(`batch.cost gave ${cost}; give a number from 0 on`);
    const { arrivedAt, priority, finishBy, startBy, isCallersLimit } = this.#limitsOf({
      headers: context.headers,
      bytes,
    });
    const waiting = spanOf(context)?.child("queue");
    // Without a spread: V8 keeps a part of such an object until a full garbage collection, 0.5 KB for each call.
    const job = this.#dispatcher.submit({
      arrivedAt,
      bytes,
      priority,
      finishBy,
      isCallersLimit,
      // The headers of a session do not apply to its messages.
      startBy: caller === undefined ? Infinity : startBy,
      value: waiting === undefined ? { context, input } : { context, input, waiting },
      cost,
      group: batch?.groupBy?.(input, context),
      signal: caller === undefined ? context.signal : undefined,
      onExpired: caller && ((reason) => caller.abort(reason)),
    });
    caller?.watch((reason) => this.#dispatcher.cancel(job, reason));
    if (waiting !== undefined) endWithAnswer(waiting, job.answer);
    return job;
  }

  /** Waits until a stream may begin. Its slot is taken until {@link Entry.leave} is called. */
  async enter(context: RequestContext, bytes: number, caller: Caller): Promise<Entry> {
    let leave!: () => void;
    const untilOver = new Promise<void>((resolve) => (leave = resolve));
    const waiting = spanOf(context)?.child("queue");
    const start = await new Promise<StartInWorker | undefined>((resolve, reject) => {
      const { answer } = this.#dispatcher.submit({
        ...this.#limitsOf({ headers: context.headers, bytes }),
        value: { context, input: undefined, untilOver, begin: resolve, waiting },
        signal: context.signal,
        onExpired: (reason) => caller.abort(reason),
      });
      answer.catch(reject);
      if (waiting !== undefined) endWithAnswer(waiting, answer);
    });
    return { start, leave };
  }

  #limitsOf({ headers, bytes, unreadMs = 0 }: Arrival): JobLimits {
    const now = this.#clock.now() - unreadMs;
    const timeoutAt = this.#timeoutMs === undefined ? Infinity : now + this.#timeoutMs;
    const callersStartBy = now + startTimeoutMs(headers["x-fal-request-timeout"]);
    return {
      arrivedAt: now,
      bytes,
      priority: headers["x-fal-queue-priority"] === "low" ? "low" : "normal",
      // A stream that has begun has no time limit.
      finishBy: this.#isStream ? Infinity : timeoutAt,
      startBy: this.#isStream ? Math.min(timeoutAt, callersStartBy) : callersStartBy,
      isCallersLimit: callersStartBy <= timeoutAt,
    };
  }
}

/** A decimal number. JavaScript's other forms, such as `0x10`, are invalid. */
const DECIMAL = /^\+?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** The header's seconds in ms; Infinity if missing or not a positive number. */
function startTimeoutMs(header: unknown): number {
  const text = typeof header === "number" ? String(header) : header; // converted, if the endpoint declares it
  if (typeof text !== "string" || !DECIMAL.test(text)) return Infinity;
  const seconds = Number(text);
  return seconds > 0 ? seconds * 1000 : Infinity;
}
