import { PassThrough } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { isWithoutBody } from "../../answer-header.ts";
import { withDeadline } from "../../dispatch/clock.ts";
import {
  FalServerlessError,
  InputValidationError,
  RequestCancelledException,
  RequestTimeoutException,
  StreamTimeoutException,
} from "../../errors.ts";
import { closeItems, isStreamOfItems, iteratorOf, type Items } from "../../items.ts";
import { isStreamEvent } from "../../routes/stream-event.ts";
import type { Entry } from "../dispatch/route-dispatch.ts";
import { EventStream } from "./event-stream.ts";
import type { HttpContext } from "../http/http-context.ts";
import { bodyWeight } from "../bodies/body-limits.ts";
import type { RouteRuntime } from "../http/route-runtime.ts";
import { createSerializer } from "../http/serializer.ts";
import { JSON_TYPE, send } from "../http/unary-handler.ts";
import { jsonType } from "../results/bytes-answer.ts";
import { formatFor } from "./stream-format.ts";

/**
 * Creates the handler of an endpoint whose method yields items, or returns a single result with `stream: "optional"`.
 */
export function createStreamHandler(
  route: RouteRuntime,
): (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> {
  const { methodName, stream: kind } = route.signature;
  const isOptional = kind === "optional";
  const serialize = createSerializer(isOptional ? route.item : route.output, methodName);
  const serializeSingle = isOptional ? createSerializer(route.output, methodName) : undefined;

  return async function handle(request, reply): Promise<FastifyReply> {
    const started = performance.now();
    const bytes = route.bytesOf(request.raw);
    const weight = bodyWeight(request.raw, bytes);
    route.budget.hold(weight);
    const context = route.createContext(request, reply);
    const { clock, heartbeatMs } = route.options;
    const arrivedAt = isOptional ? clock.now() : 0;
    let sentStatus = 200;
    let failedWith: number | undefined;
    const applyHeaders = (): number => {
      route.applyHeaders(context, request, reply);
      const chosen = route.statusOf(context);
      if (!isWithoutBody(chosen)) sentStatus = chosen;
      return sentStatus;
    };
    const openStream = (): EventStream => {
      const hooked = route.hasSendHooks ? createHookedStream(context, reply) : undefined;
      return new EventStream(
        formatFor(request.headers.accept),
        reply,
        clock,
        heartbeatMs,
        applyHeaders,
        hooked,
      );
    };
    let stream = isOptional ? undefined : openStream();
    let items: Items | undefined;
    // Created early, so that it aborts even if the handler reads it only after the caller has left.
    const { signal } = context;
    let closed: Promise<void> | undefined;
    let entry: Entry | undefined;
    const onAbort = (): void => void (closed ??= closeItems(items, context.log));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      route.assertPreflighted(request);
      if (route.dispatch !== undefined) {
        const issues = route.findParameterFaults(context);
        if (issues !== undefined) throw new InputValidationError(issues);
      }
      entry = await route.dispatch?.enter(context, bytes, context);
      const start = entry?.start;
      const limit = isOptional ? answerLimit(route, context, clock.now() - arrivedAt) : undefined;
      const called = await raceAbort(route, context, () => route.callIn(start, context, request.body), limit);
      if (called === ABORTED) throw context.abortReason;
      if (serializeSingle !== undefined && !isStreamOfItems(called)) {
        const payload = serializeSingle(called);
        sentStatus = route.statusOf(context);
        const type = context.bodyForm === undefined ? JSON_TYPE : jsonType(context, methodName);
        if (!send(route, context, request, reply, sentStatus, payload, type))
          failedWith = route.lostStatus(context);
        return reply;
      }
      const iterator = iteratorOf(called, methodName);
      items = iterator;
      stream ??= openStream();
      for (;;) {
        const result = await raceAbort(route, context, () => route.within(context, () => iterator.next()));
        if (result === ABORTED) throw context.abortReason;
        if (!stream.begun) assertStreamHead(context, route);
        if (result.done === true) break;
        const { value } = result;
        await (isStreamEvent(value) ? stream.sendEvent(value, serialize) : stream.send(serialize(value)));
      }
    } catch (error) {
      const answer = route.answer(context, error);
      const { clientLeft } = context;
      context.abort(error);
      const hasBegun = stream?.begun === true;
      const isReplaced = hasBegun && reply.raw.writableFinished;
      failedWith = clientLeft ? route.lostStatus(context) : isReplaced ? reply.raw.statusCode : answer.status;
      if (hasBegun) await stream?.fail(answer.body, failedWith);
      else if (!clientLeft) {
        route.applyHeaders(context, request, reply);
        const head = reply.code(failedWith).headers(answer.headers ?? {});
        head.type("application/json").send(answer.payload);
      } else if (stream === undefined) reply.hijack(); // no answer to send
    } finally {
      signal.removeEventListener("abort", onAbort);
      if (entry !== undefined) void (closed ?? Promise.resolve()).then(entry.leave); // the slot is released once the generator has ended
      const isLost = failedWith === undefined && context.clientLeft;
      if (failedWith === undefined || context.clientLeft) stream?.end();
      else stream?.cancel();
      route.budget.free(weight);
      const counted = isLost ? route.lostStatus(context) : (failedWith ?? sentStatus);
      route.end(context, counted);
      route.count(context, reply, counted, started);
    }
    return reply;
  };
}

/** The time that a method has left to return a single result, which may become a stream instead. */
function answerLimit(route: RouteRuntime, context: HttpContext, waitedMs: number): Limit | undefined {
  const { timeoutMs, metrics } = route;
  if (timeoutMs === undefined) return undefined;
  return {
    ms: Math.max(0, timeoutMs - waitedMs),
    expire() {
      const error = new RequestTimeoutException(timeoutMs);
      metrics.timeouts.run++;
      context.abort(error);
      return error;
    },
  };
}

/**
 * Creates the stream that is sent through the app's hooks. If a hook answers in its place, the call is aborted, since
 * nothing reads its items.
 */
function createHookedStream(context: HttpContext, reply: FastifyReply): PassThrough {
  const stream = new PassThrough();
  reply.raw.once("close", () => {
    if (!stream.writableEnded && !context.clientLeft)
      context.abort(new RequestCancelledException("A hook answered in place of the stream."));
    stream.destroy();
  });
  return stream;
}

/** @throws FalServerlessError if the handler set a status or headers that a stream of events can't have */
function assertStreamHead(context: HttpContext, route: RouteRuntime): void {
  const { contentType, contentEncoding } = context.bodyForm ?? {};
  const status = route.statusOf(context);
  const set = isWithoutBody(status)
    ? `the status ${status}`
    : contentType !== undefined
      ? `content-type ${contentType}`
      : contentEncoding !== undefined
        ? `content-encoding ${contentEncoding}`
        : undefined;
  if (set === undefined) return;
  const message = `${route.signature.methodName}() set ${set}, but its items are sent as a stream of events or lines.`;
  throw new FalServerlessError("OUTPUT_UNSENDABLE", message);
}

/** A limit of time, and what happens at its end. */
interface Limit {
  readonly ms: number;
  expire(): Error;
}

/** The result of {@link raceAbort} if the call was aborted first. */
const ABORTED: unique symbol = Symbol("left");

/** Waits for the handler until its timeout or an abort. Default limit: that of an item. */
async function raceAbort<T>(
  route: RouteRuntime,
  context: HttpContext,
  start: () => T | PromiseLike<T>,
  limit?: Limit,
): Promise<T | typeof ABORTED> {
  const { signal } = context;
  if (signal.aborted) return ABORTED;
  const work = Promise.resolve(start());
  const race = new Promise<T | typeof ABORTED>((resolve, reject) => {
    const leave = (): void => resolve(ABORTED);
    signal.addEventListener("abort", leave, { once: true });
    const stop = (): void => signal.removeEventListener("abort", leave);
    work.then(resolve, reject);
    work.then(stop, stop);
  });
  const { timeoutMs } = route;
  if (timeoutMs === undefined) return race;
  if (limit !== undefined) return withDeadline(race, limit.ms, route.options.clock, () => limit.expire());
  return withDeadline(race, timeoutMs, route.options.clock, () => {
    const error = new StreamTimeoutException(timeoutMs);
    route.metrics.timeouts.stream++;
    context.abort(error);
    return error;
  });
}
