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
import { AbortableWaits } from "./abortable-waits.ts";
import { EventStream } from "./event-stream.ts";
import { ItemPump } from "./item-pump.ts";
import { isThenable } from "../thenable.ts";
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
    let pump: ItemPump | undefined;
    const waits = new AbortableWaits();
    let closed: Promise<void> | undefined;
    let entry: Entry | undefined;
    let isOver = false;
    context.watch((reason) => {
      if (isOver) return;
      closed ??= closeItems(items, context.log);
      pump?.stop();
      waits.abort(reason);
    });
    try {
      route.assertPreflighted(request);
      if (route.dispatch !== undefined) {
        const issues = route.findParameterFaults(context);
        if (issues !== undefined) throw new InputValidationError(issues);
      }
      entry = await route.dispatch?.enter(context, bytes, context);
      const start = entry?.start;
      const limit = isOptional ? answerLimit(route, context, clock.now() - arrivedAt) : undefined;
      const calling = waits.until(() => route.callIn(start, context, request.body));
      const called = isThenable(calling) ? await answerInTime(calling, route, context, limit) : calling;
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
      const out = (stream ??= openStream());
      const next = (): ReturnType<Items["next"]> => iterator.next();
      const running = (pump = new ItemPump({
        next: () => route.within(context, next),
        take(result) {
          if (!out.begun) assertStreamHead(context, route);
          if (result.done === true) return true;
          const { value } = result;
          return isStreamEvent(value) ? out.sendEvent(value, serialize) : out.send(serialize(value));
        },
        whenReady: () => out.whenReady(),
        timeoutMs: route.timeoutMs,
        clock,
        expire: (timeoutMs) => void expireItem(route, context, timeoutMs),
      }));
      await waits.until(() => running.run());
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
      isOver = true;
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
  readonly expire: () => Error;
}

/** Waits for what the handler returns within its time limit. Default limit: that of an item. */
function answerInTime(
  answer: PromiseLike<unknown>,
  route: RouteRuntime,
  context: HttpContext,
  limit: Limit | undefined,
): PromiseLike<unknown> {
  const { timeoutMs, options } = route;
  if (timeoutMs === undefined) return answer;
  const { ms, expire } = limit ?? { ms: timeoutMs, expire: () => expireItem(route, context, timeoutMs) };
  return withDeadline(answer, ms, options.clock, expire);
}

/** Aborts a call because it gave no item in time. */
function expireItem(route: RouteRuntime, context: HttpContext, timeoutMs: number): StreamTimeoutException {
  const error = new StreamTimeoutException(timeoutMs);
  route.metrics.timeouts.stream++;
  context.abort(error);
  return error;
}
