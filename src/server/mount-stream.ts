import type { FastifyReply, FastifyRequest } from "fastify";
import { withDeadline } from "../dispatch/deadline.ts";
import { OutputValidationError } from "../errors.ts";
import { EventStream } from "./event-stream.ts";
import type { HttpContext } from "./http-context.ts";
import { CLIENT_CLOSED_REQUEST, type RouteRuntime } from "./route-runtime.ts";
import { createSerializer } from "./serializer.ts";

type Items = Iterator<unknown, unknown> | AsyncIterator<unknown, unknown>;

/** Serves an endpoint that yields: each item becomes a server-sent event. */
export function createStreamHandler(
  route: RouteRuntime,
): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  const serialize = createSerializer(route.output?.document);
  const encode = (item: unknown): string => {
    if (route.output !== undefined && !route.output.fits(item)) {
      throw new OutputValidationError(route.signature.methodName, route.output.explain(item, ["output"]));
    }
    return serialize(item);
  };

  return async function handle(request, reply): Promise<void> {
    const started = performance.now();
    route.metrics.inProgress++;
    const context = route.createContext(request, reply);
    const stream = new EventStream(reply, route.options.clock, route.options.heartbeatMs, () => {
      route.applyHeaders(context, request, reply);
    });
    let status = 200;
    let items: Items | undefined;
    let finished = false;
    const leave = (): void => {
      if (!finished) abandon(items, context);
    };
    reply.raw.once("close", leave);
    // Read early, so that the signal aborts even if the handler asks for it only after the caller has left.
    void context.signal;
    try {
      items = iteratorOf(await route.call(context, request.body), route.signature.methodName);
      for (;;) {
        const next = await nextItem(route, items, context);
        if (next.done === true || context.clientLeft) break;
        await stream.send(encode(next.value));
      }
    } catch (error) {
      const answer = route.answer(context, error);
      status = answer.status;
      abandon(items, context, error);
      if (stream.begun) await stream.sendError(answer.body, status);
      else {
        stream.cancel();
        finished = true;
        route.applyHeaders(context, request, reply);
        if (!context.clientLeft) {
          reply
            .code(status)
            .headers(answer.headers ?? {})
            .type("application/json")
            .send(answer.payload);
        }
      }
    } finally {
      finished = true;
      reply.raw.removeListener("close", leave);
      if (status === 200 || stream.begun) stream.end();
      route.metrics.inProgress--;
      const counted = context.clientLeft ? CLIENT_CLOSED_REQUEST : status;
      route.metrics.record(counted, (performance.now() - started) / 1000);
    }
  };
}

/** The next item; races with the caller's leaving, so that a handler that never yields again holds nothing. */
async function nextItem(
  route: RouteRuntime,
  items: Items,
  context: HttpContext,
): Promise<IteratorResult<unknown, unknown>> {
  const next = Promise.resolve(items.next());
  const left = new Promise<IteratorResult<unknown>>((resolve) => {
    const done = (): void => resolve({ done: true, value: undefined });
    if (context.signal.aborted) done();
    else context.signal.addEventListener("abort", done, { once: true });
    const stop = (): void => context.signal.removeEventListener("abort", done);
    next.then(stop, stop);
  });
  const race = Promise.race([next, left]);
  if (route.timeoutMs === undefined) return race;
  return withDeadline(race, route.timeoutMs, route.options.clock, (reason) => context.abort(reason));
}

/** Tells the handler's generator to clean up. It does so at its next yield; nobody waits for it. */
function abandon(items: Items | undefined, context: HttpContext, reason?: unknown): void {
  if (reason !== undefined) context.abort(reason);
  try {
    const returned = items?.return?.();
    if (returned instanceof Promise) {
      returned.catch((error: unknown) =>
        context.log.error({ err: error }, "the stream failed while it was closed"),
      );
    }
  } catch (error) {
    context.log.error({ err: error }, "the stream failed while it was closed");
  }
}

function iteratorOf(value: unknown, methodName: string): Items {
  if (typeof value === "object" && value !== null) {
    if (Symbol.asyncIterator in value) return (value as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    if (Symbol.iterator in value) return (value as Iterable<unknown>)[Symbol.iterator]();
  }
  throw new TypeError(
    `${methodName}() is a stream but returned no iterable; write "async *${methodName}(…)"`,
  );
}
