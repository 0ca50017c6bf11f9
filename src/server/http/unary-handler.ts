import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { isWithoutBody } from "../../answer-header.ts";
import { withDeadline } from "../../dispatch/clock.ts";
import { RequestTimeoutException } from "../../errors.ts";
import type { HttpContext } from "./http-context.ts";
import { bodyWeight } from "../bodies/body-limits.ts";
import { BytesAnswers, jsonType } from "../results/bytes-answer.ts";
import type { RouteRuntime } from "./route-runtime.ts";
import { createSerializer } from "./serializer.ts";
import { isThenable } from "../thenable.ts";
import { bytesRuleOf } from "../../routes/bytes.ts";

/** The content type of results. */
export const JSON_TYPE = "application/json; charset=utf-8";

/** Creates the handler of an endpoint with a single answer. */
export function createUnaryHandler(
  route: RouteRuntime,
): (request: FastifyRequest, reply: FastifyReply) => void {
  const { methodName, output } = route.signature;
  const serialize = createSerializer(route.output, methodName);
  // Results that a schema describes as JSON are never sent as bytes.
  const bytesAnswers =
    output === undefined || bytesRuleOf(output) !== undefined ? new BytesAnswers(route) : undefined;

  return function handle(request, reply): void {
    const started = performance.now();
    const bytes = route.bytesOf(request.raw);
    const weight = bodyWeight(request.raw, bytes);
    route.budget.hold(weight);
    const context = route.createContext(request, reply);
    const succeed = (value: unknown): void => {
      if (bytesAnswers?.takes(value, context) === true) {
        const end = (status: number): void => {
          if (!route.end(context, status)) return;
          route.budget.free(weight);
          route.count(context, reply, status, started);
        };
        return bytesAnswers.send(value, { context, request, reply, fail, finish, end });
      }
      let payload: string;
      let contentType = JSON_TYPE;
      try {
        payload = serialize(value);
        if (context.bodyForm !== undefined) contentType = jsonType(context, methodName);
      } catch (error) {
        return fail(error);
      }
      finish(route.statusOf(context), payload, contentType);
    };
    const fail = (error: unknown): void => {
      if (!context.isRunning) return; // errors after a forced abort are irrelevant
      const answer = route.answer(context, error);
      if (answer.headers !== undefined) context.addHeaders(Object.entries(answer.headers));
      finish(answer.status, answer.payload, JSON_TYPE);
    };
    const finish = (status: number, payload: string | Buffer | undefined, contentType: string): void => {
      if (!route.end(context, status)) return;
      route.budget.free(weight);
      if (route.hasSendHooks && !context.clientLeft) route.count(context, reply, status, started); // once it is sent
      const sent = send(route, context, request, reply, status, payload, contentType);
      route.count(context, reply, sent ? status : route.lostStatus(context), started);
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
export function send(
  route: RouteRuntime,
  context: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  payload: string | Buffer | undefined,
  contentType: string,
): boolean {
  if (context.clientLeft) {
    reply.hijack(); // no answer to send
    return false;
  }
  try {
    const headers = route.directHeaders(context);
    if (
      headers !== undefined &&
      payload !== undefined &&
      !isWithoutBody(status) &&
      request.method !== "HEAD"
    ) {
      sendDirectly(reply.raw, status, payload, contentType, headers);
      return true;
    }
    route.applyHeaders(context, request, reply);
    reply.code(status);
    if (payload === undefined || isWithoutBody(status)) sendEmpty(reply, status, contentType);
    else reply.header("content-type", contentType).send(payload);
    return true;
  } catch (error) {
    context.log.error({ err: error }, "the answer could not be sent");
    reply.raw.destroy();
    return false;
  }
}

/**
 * Sends an answer as Fastify would, without its way through the reply, hooks and serializers. For answers of the
 * framework's own routes when nothing else has put headers into the reply.
 */
function sendDirectly(
  raw: ServerResponse,
  status: number,
  payload: string | Buffer,
  contentType: string,
  headers: readonly string[],
): void {
  const bytes = Buffer.byteLength(payload);
  raw.writeHead(status, ["content-type", contentType, "content-length", String(bytes), ...headers]);
  // A text of as many characters as bytes is ASCII, which is encoded faster as latin-1.
  raw.end(payload, bytes === payload.length ? "latin1" : "utf8");
}

/** Sends an answer without a body. HEAD has the type that GET would have. */
function sendEmpty(reply: FastifyReply, status: number, contentType: string): void {
  if (reply.request.method !== "HEAD") return void reply.send();
  if (!isWithoutBody(status)) reply.header("content-type", contentType);
  reply.send(Readable.from([])); // without any body, Fastify would replace the length that GET has by 0
}
