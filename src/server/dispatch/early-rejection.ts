import type { FastifyReply, FastifyRequest } from "fastify";
import { answerFor } from "../../answers.ts";
import type { AnswerHeaders } from "../http/answer-headers.ts";
import type { AnswerCounter } from "../metrics/answer-counter.ts";
import type { RouteMetrics } from "../metrics/metrics.ts";
import { leaveUnread } from "../bodies/unread-body.ts";
import type { RouteDispatch } from "./route-dispatch.ts";

/**
 * Creates a hook for routes with a queue: requests that would be refused are answered before their body is read.
 * @param isInMemory whether the queue counts the bodies' bytes
 */
export function createEarlyRejection(
  dispatch: RouteDispatch,
  headers: AnswerHeaders,
  { metrics, counter }: { metrics: RouteMetrics; counter: AnswerCounter },
  isInMemory = true,
) {
  return function rejectEarly(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    const bytes = isInMemory ? declaredBytes(request) : 0;
    const refusal = dispatch.rejectEarly({ headers: request.headers, bytes });
    if (refusal === undefined) return done();
    const answer = answerFor(refusal);
    counter.count(metrics, reply.raw, answer.status, performance.now());
    leaveUnread(request, reply);
    headers.sendJson(request, reply, answer.status, JSON.stringify(answer.body), answer.headers);
  };
}

/** The declared length of a request's body; 0 if there is none. */
function declaredBytes(request: FastifyRequest): number {
  const bytes = Number(request.headers["content-length"]);
  return bytes > 0 ? bytes : 0;
}
