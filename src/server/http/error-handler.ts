import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Logger } from "pino";
import { answerFor, asError, fitText, type ErrorAnswer } from "../../answers.ts";
import { FalServerlessError, InputValidationError } from "../../errors.ts";
import type { AnswerHeaders } from "./answer-headers.ts";
import type { AnswerCounter } from "../metrics/answer-counter.ts";
import { CLIENT_CLOSED_REQUEST, type RouteMetrics } from "../metrics/metrics.ts";
import { notFound } from "./not-found.ts";
import { closingAnswer } from "../connections/closing-answer.ts";
import { leaveUnread } from "../bodies/unread-body.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The metrics of this route's requests. */
    metrics?: RouteMetrics;
  }
}

/** Creates the handler that answers every error in Fastify, in the documented form. */
export function createErrorHandler(headers: AnswerHeaders, counter: AnswerCounter, log: Logger) {
  return function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    if (request.is404 && isBodyError(error)) return notFound(headers, request, reply);
    const known = translate(error, request);
    const answer = answerForStatus(known) ?? answerFor(known);
    if (answer.unexpected) log.error({ err: asError(error), path: pathOf(request.url) }, "a request failed");
    const { metrics } = request.routeOptions.config;
    if (metrics !== undefined)
      counter.count(metrics, reply.raw, statusOf(request, reply) ?? answer.status, performance.now());
    if (reply.raw.writableEnded) return reply; // already answered by a server that stops
    leaveUnread(request, reply);
    return headers.sendJson(request, reply, answer.status, JSON.stringify(answer.body), answer.headers);
  };
}

/** The path alone: a query string may hold a token for a gateway. */
function pathOf(url: string): string {
  return url.split("?", 1)[0] ?? "";
}

/** The status of an incomplete request in the metrics, which depends on whether the client or the server aborted it. */
function statusOf(request: FastifyRequest, reply: FastifyReply): number | undefined {
  if (reply.raw.writableEnded) return reply.raw.statusCode;
  return request.raw.socket.destroyed ? CLIENT_CLOSED_REQUEST : undefined;
}

/** Whether Fastify could not read the body. */
function isBodyError(error: unknown): boolean {
  const code = (error as Partial<FastifyError> | null)?.code;
  return typeof code === "string" && code.startsWith("FST_ERR_CTP_");
}

/**
 * The answer to an error of a plugin, a hook or a route of the app that names its status, as Fastify's errors and those
 * of `http-errors` do. Endpoints answer the errors of their methods themselves.
 */
function answerForStatus(error: unknown): ErrorAnswer | undefined {
  if (!(error instanceof Error) || error instanceof FalServerlessError) return undefined;
  const { statusCode, headers } = error as Partial<Record<"statusCode" | "headers", unknown>>;
  const detail = typeof statusCode === "number" ? STATUS_CODES[statusCode] : undefined;
  if (typeof statusCode !== "number" || statusCode < 400 || detail === undefined) return undefined;
  const isHeaders = typeof headers === "object" && headers !== null;
  return {
    status: statusCode,
    body: { detail: statusCode < 500 ? fitText(error.message) : detail },
    ...(isHeaders ? { headers: headers as Record<string, string> } : {}),
    unexpected: statusCode === 500,
  };
}

/** Translates an error that Fastify raises for the content type of a body on one of the framework's routes. */
function translate(error: unknown, request: FastifyRequest): unknown {
  const isMediaType = (error as Partial<FastifyError> | null)?.code === "FST_ERR_CTP_INVALID_MEDIA_TYPE";
  if (!isMediaType || request.routeOptions.config.isFrameworkRoute !== true) return error;
  const bytes = Number(request.headers["content-length"] ?? 0);
  const msg = "Input should be a valid dictionary or object to extract fields from";
  const input = `<binary ${bytes} bytes>`;
  return new InputValidationError([{ type: "model_attributes_type", loc: ["body"], msg, input }]);
}

const CLIENT_ERRORS: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Answers invalid requests: broken headers, or a request that never arrives completely. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || socket.destroyed) return;
  if (socket.writable) socket.end(closingAnswer(CLIENT_ERRORS[error.code ?? ""] ?? 400));
  else socket.destroy();
}
