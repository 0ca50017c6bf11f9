import type { FastifyReply, FastifyRequest } from "fastify";
import type { AnswerHeaders } from "../http/answer-headers.ts";
import type { AnswerCounter } from "../metrics/answer-counter.ts";
import type { RouteMetrics } from "../metrics/metrics.ts";
import { leaveUnread } from "../bodies/unread-body.ts";
import type { QuickRefusals } from "./quick-refusals.ts";
import { RefusalAnswers } from "./refusal-answers.ts";
import type { RouteDispatch } from "./route-dispatch.ts";

/** The parts of an early rejection that count and send its answer. */
interface RejectionParts {
  readonly headers: AnswerHeaders;
  readonly metrics: RouteMetrics;
  readonly counter: AnswerCounter;
  /** Refuses the next requests of a connection; undefined if the server must see all requests. */
  readonly quick: QuickRefusals | undefined;
  /** Whether the queue counts the bodies' bytes. */
  readonly isInMemory: boolean;
}

/** Creates a hook for routes with a queue: requests that would be refused are answered before their body is read. */
export function createEarlyRejection(
  dispatch: RouteDispatch,
  { headers, metrics, counter, quick, isInMemory }: RejectionParts,
) {
  const answers = new RefusalAnswers();
  return function rejectEarly(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    const bytes = isInMemory ? declaredBytes(request) : 0;
    const refusal = dispatch.rejectEarly({ headers: request.headers, bytes });
    if (refusal === undefined) return done();
    const answer = answers.for(refusal);
    counter.count(metrics, reply.raw, answer.status, performance.now());
    leaveUnread(request, reply);
    quick?.follow(request.raw, request.originalUrl);
    headers.sendJson(request, reply, answer.status, answer.payload, answer.headers);
  };
}

/** The declared length of a request's body; 0 if there is none. */
function declaredBytes(request: FastifyRequest): number {
  const bytes = Number(request.headers["content-length"]);
  return bytes > 0 ? bytes : 0;
}
