import type { FastifyReply, FastifyRequest } from "fastify";
import { answerFor } from "../../answers.ts";
import type { AnswerHeaders } from "../http/answer-headers.ts";
import type { RouteMetrics } from "../metrics/metrics.ts";
import { leaveUnread } from "../bodies/unread-body.ts";
import type { RouteDispatch } from "./route-dispatch.ts";

/** Answers a request that has no chance before its body is read; a hook of the routes that have a queue. */
export function createEarlyRejection(dispatch: RouteDispatch, headers: AnswerHeaders, metrics: RouteMetrics) {
  return function rejectEarly(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    const bytes = declaredBytes(request);
    const refusal = dispatch.rejectEarly({ headers: request.headers, bytes });
    if (refusal === undefined) return done();
    const answer = answerFor(refusal);
    metrics.record(answer.status, 0);
    leaveUnread(request, reply);
    headers.sendJson(request, reply, answer.status, JSON.stringify(answer.body), answer.headers);
  };
}

/** The length of a request's body as its sender says; 0 where it does not. */
function declaredBytes(request: FastifyRequest): number {
  const bytes = Number(request.headers["content-length"]);
  return bytes > 0 ? bytes : 0;
}
