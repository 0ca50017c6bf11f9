import type { FastifyReply, FastifyRequest } from "fastify";
import { Readable } from "node:stream";
import { InputValidationError, type ValidationIssue } from "../../errors.ts";
import type { RequestParameters } from "../parameters/request-parameters.ts";
import type { HttpContext } from "./http-context.ts";
import type { RouteRuntime } from "./route-runtime.ts";

type Handle = (request: FastifyRequest, reply: FastifyReply) => unknown;

/**
 * Lets a route convert and validate the parameters of its requests before anything else. Their faults and those of the
 * body are answered together. Routes without schemas for parameters keep their own methods.
 */
export function withParameters<Route extends RouteRuntime>(
  route: Route,
  parameters: RequestParameters | undefined,
): Route {
  if (parameters === undefined) return route;
  const call = route.call.bind(route);
  const queue = route.queue.bind(route);
  route.findParameterFaults = (context) => readParameters(parameters, context);
  const refuse = async (
    context: HttpContext,
    body: unknown,
    issues: readonly ValidationIssue[],
  ): Promise<never> => {
    try {
      await route.readInput(context, body);
    } catch (error) {
      if (!(error instanceof InputValidationError)) throw error;
      throw new InputValidationError([...issues, ...error.issues]);
    }
    throw new InputValidationError(issues);
  };
  route.call = (context, body) => {
    const issues = readParameters(parameters, context);
    return issues === undefined ? call(context, body) : refuse(context, body, issues);
  };
  route.queue = (dispatch, context, body, bytes) => {
    const issues = readParameters(parameters, context);
    return issues === undefined ? queue(dispatch, context, body, bytes) : refuse(context, body, issues);
  };
  return route;
}

/** Converts the parameters of a request for its context; returns the issues of those that do not fit. */
function readParameters(
  parameters: RequestParameters,
  context: HttpContext,
): readonly ValidationIssue[] | undefined {
  if (context.typed !== undefined) return undefined; // a stream has read them before it waited
  let faults: ValidationIssue[] | undefined;
  const typed = parameters.read(context.request, context, (issues) => {
    faults = [...(faults ?? []), ...issues];
  });
  if (faults === undefined) context.typed = typed;
  return faults;
}

/** Answers requests with an empty parameter in their path as if the path had no route: `/items/` is not `/items/:id`. */
export function withoutEmptyParameters(handle: Handle): Handle {
  return (request, reply) => {
    const params = request.params as Readonly<Record<string, string>>;
    for (const name in params) if (params[name] === "") return reply.callNotFound();
    return handle(request, reply);
  };
}

/** Answers HEAD for a stream of events with the head of the answer to GET. The method is not called. */
export function withStreamHead(route: RouteRuntime, handle: Handle): Handle {
  return (request, reply) => {
    if (request.method !== "HEAD") return handle(request, reply);
    const started = performance.now();
    const context = route.createContext(request, reply);
    const issues = route.findParameterFaults(context);
    const status = issues === undefined ? route.statusOf(context) : 422;
    route.end(context, status);
    route.count(context, reply, status, started);
    route.applyHeaders(context, request, reply);
    const type =
      issues === undefined ? "text/event-stream; charset=utf-8" : "application/json; charset=utf-8";
    // Without any body, Fastify would announce a length of 0.
    return reply.code(status).header("content-type", type).send(Readable.from([]));
  };
}
