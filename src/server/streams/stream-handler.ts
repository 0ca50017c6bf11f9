import { PassThrough } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { isWithoutBody } from "../../answer-header.ts";
import { withDeadline } from "../../dispatch/clock.ts";
import {
  FalServerlessError,
  InputValidationError,
  RequestCancelledException,
  StreamTimeoutException,
} from "../../errors.ts";
import { closeItems, iteratorOf, type Items } from "../../realtime/items.ts";
import { EventStream } from "./event-stream.ts";
import type { HttpContext } from "../http/http-context.ts";
import { bodyWeight } from "../bodies/body-limits.ts";
import type { RouteRuntime } from "../http/route-runtime.ts";
import { createSerializer } from "../http/serializer.ts";

/** Creates the handler of a streaming endpoint: each item becomes a server-sent event. */
export function createStreamHandler(
  route: RouteRuntime,
): (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> {
  const serialize = createSerializer(route.output, route.signature.methodName);

  return async function handle(request, reply): Promise<FastifyReply> {
    const started = performance.now();
    const bytes = route.bytesOf(request.raw);
    const weight = bodyWeight(request.raw, bytes);
    route.budget.hold(weight);
    const context = route.createContext(request, reply);
    const hooked = route.hasSendHooks ? createHookedStream(context, reply) : undefined;
    const { clock, heartbeatMs } = route.options;
    let sentStatus = 200;
    let failedWith: number | undefined;
    let isReplaced = false; // a hook answered in place of the stream
    const applyHeaders = (): number => {
      route.applyHeaders(context, request, reply);
      const chosen = route.statusOf(context);
      if (!isWithoutBody(chosen)) sentStatus = chosen;
      return sentStatus;
    };
    const stream = new EventStream(reply, clock, heartbeatMs, applyHeaders, hooked);
    let items: Items | undefined;
    // Created early, so that it aborts even if the handler reads it only after the caller has left.
    const { signal } = context;
    let closed: Promise<void> | undefined;
    let leave: (() => void) | undefined;
    const onAbort = (): void => void (closed ??= closeItems(items, context.log));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      route.assertPreflighted(request);
      if (route.dispatch !== undefined) {
        const issues = route.findParameterFaults(context);
        if (issues !== undefined) throw new InputValidationError(issues);
      }
      leave = await route.dispatch?.enter(context, bytes, context);
      const called = await raceAbort(route, context, () => route.call(context, request.body));
      if (called === ABORTED) throw context.abortReason;
      const iterator = iteratorOf(called, route.signature.methodName);
      items = iterator;
      for (;;) {
        const result = await raceAbort(route, context, () => route.within(context, () => iterator.next()));
        if (result === ABORTED) throw context.abortReason;
        if (!stream.begun) assertStreamHead(context, route);
        if (result.done === true) break;
        await stream.send(serialize(result.value));
      }
    } catch (error) {
      const answer = route.answer(context, error);
      const { clientLeft } = context;
      context.abort(error);
      isReplaced = stream.begun && reply.raw.writableFinished;
      failedWith = clientLeft ? route.lostStatus(context) : isReplaced ? reply.raw.statusCode : answer.status;
      if (stream.begun) await stream.fail(answer.body, failedWith);
      else if (!clientLeft) {
        route.applyHeaders(context, request, reply);
        const head = reply.code(failedWith).headers(answer.headers ?? {});
        head.type("application/json").send(answer.payload);
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      if (leave !== undefined) void (closed ?? Promise.resolve()).then(leave); // the slot is released once the generator has ended
      const isLost = failedWith === undefined && context.clientLeft;
      if (failedWith === undefined || context.clientLeft) stream.end();
      else stream.cancel();
      route.budget.free(weight);
      const counted = isLost ? route.lostStatus(context) : (failedWith ?? sentStatus);
      route.end(context, counted);
      // The error handler has counted the error of a hook.
      if (!isReplaced || counted < 400) route.metrics.record(counted, (performance.now() - started) / 1000);
    }
    return reply;
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
  const message = `${route.signature.methodName}() set ${set}, but its items are sent as server-sent events.`;
  throw new FalServerlessError("OUTPUT_UNSENDABLE", message);
}

/** The result of {@link raceAbort} if the call was aborted first. */
const ABORTED: unique symbol = Symbol("left");

/** Waits for the handler until its timeout or an abort. */
async function raceAbort<T>(
  route: RouteRuntime,
  context: HttpContext,
  start: () => T | PromiseLike<T>,
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
  if (route.timeoutMs === undefined) return race;
  const { timeoutMs } = route;
  return withDeadline(race, timeoutMs, route.options.clock, () => {
    const error = new StreamTimeoutException(timeoutMs);
    route.metrics.timeouts.stream++;
    context.abort(error);
    return error;
  });
}
