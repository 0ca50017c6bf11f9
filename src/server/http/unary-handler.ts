import type { FastifyReply, FastifyRequest } from "fastify";
import { withDeadline } from "../../dispatch/clock.ts";
import { RequestTimeoutException } from "../../errors.ts";
import type { HttpContext } from "./http-context.ts";
import { bodyWeight } from "../bodies/body-limits.ts";
import type { RouteRuntime } from "./route-runtime.ts";
import { createSerializer } from "./serializer.ts";

const JSON_TYPE = "application/json; charset=utf-8";

/** Creates the handler of an endpoint with a single answer. */
export function createUnaryHandler(
  route: RouteRuntime,
): (request: FastifyRequest, reply: FastifyReply) => void {
  const serialize = createSerializer(route.output, route.signature.methodName);
  const { status: success = 200 } = route.signature;

  return function handle(request, reply): void {
    const started = performance.now();
    const bytes = route.bytesOf(request.raw);
    const weight = bodyWeight(request.raw, bytes);
    route.budget.hold(weight);
    const context = route.createContext(request, reply);
    const succeed = (value: unknown): void => {
      let payload: string;
      try {
        payload = serialize(value);
      } catch (error) {
        return fail(error);
      }
      finish(success, payload);
    };
    const fail = (error: unknown): void => {
      if (!context.isRunning) return; // errors after a forced abort are irrelevant
      const answer = route.answer(context, error);
      if (answer.headers !== undefined) reply.headers(answer.headers);
      finish(answer.status, answer.payload);
    };
    const finish = (status: number, payload: string): void => {
      if (!route.end(context)) return;
      route.budget.free(weight);
      const sent = send(route, context, request, reply, status, payload);
      const counted = sent ? status : route.lostStatus(context);
      route.metrics.record(counted, (performance.now() - started) / 1000);
    };
    context.onForcedAbort(fail);

    let result: unknown;
    try {
      route.assertPreflighted(request);
      const { dispatch } = route;
      if (dispatch !== undefined) {
        return void route.queue(dispatch, context, request.body, bytes).then(succeed, fail);
      }
      result = route.call(context, request.body);
    } catch (error) {
      return fail(error);
    }
    if (!(result instanceof Promise))
      return isThenable(result) ? void result.then(succeed, fail) : succeed(result);
    const { timeoutMs } = route;
    if (timeoutMs !== undefined) {
      result = withDeadline(result, timeoutMs, route.options.clock, () => {
        const error = new RequestTimeoutException(timeoutMs);
        route.metrics.timeouts.run++;
        context.abort(error);
        return error;
      });
    }
    void (result as Promise<unknown>).then(succeed, fail);
  };
}

/** Sends the answer. False if the client has disconnected. */
function send(
  route: RouteRuntime,
  context: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  payload: string,
): boolean {
  if (context.clientLeft) {
    reply.hijack(); // no answer to send
    return false;
  }
  try {
    route.applyHeaders(context, request, reply);
    reply.code(status).header("content-type", JSON_TYPE).send(payload);
    return true;
  } catch (error) {
    context.log.error({ err: error }, "the answer could not be sent");
    reply.raw.destroy();
    return false;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
