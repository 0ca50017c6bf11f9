import type { FastifyReply, FastifyRequest } from "fastify";
import { runInScope, type RequestContext } from "../../context.ts";
import { answerFor, asError, type ErrorAnswer } from "../../answers.ts";
import { AppException, RequestCancelledException } from "../../errors.ts";
import type { RouteHandler, RouteSignature } from "../../routes/signature.ts";
import type { Access } from "../access/access.ts";
import { type AnswerHeaders, isHeaderValue } from "./answer-headers.ts";
import type { RouteDispatch } from "../dispatch/route-dispatch.ts";
import { withBodyCause } from "../bodies/body-cause.ts";
import { UnreadableBody } from "../bodies/json-body.ts";
import type { ResolvedServerOptions, ServerDefinition } from "../definition.ts";
import { HttpContext } from "./http-context.ts";
import type { MemoryBudget } from "../bodies/memory-budget.ts";
import { CLIENT_CLOSED_REQUEST, type RouteMetrics } from "../metrics/metrics.ts";
import type { ServerState } from "../lifecycle/server-state.ts";
import type { CompiledSchema } from "../validation/validator.ts";

/** One HTTP route, with all that serving it takes. */
export class RouteRuntime {
  readonly signature: RouteSignature;
  readonly handler: RouteHandler;
  readonly input: CompiledSchema | undefined;
  readonly output: CompiledSchema | undefined;
  readonly metrics: RouteMetrics;
  readonly timeoutMs: number | undefined;
  /** The queue in front of the handler, if there is one; it keeps to the timeout of what waits and runs. */
  readonly dispatch: RouteDispatch | undefined;
  readonly options: ResolvedServerOptions;
  /** What this server's callers may have in memory. */
  readonly budget: MemoryBudget;
  readonly #app: object;
  readonly #headers: AnswerHeaders;
  readonly #access: Access;
  readonly #state: ServerState;
  /** What was logged: an error that fails a whole batch is one error. */
  readonly #logged = new WeakSet<object>();

  constructor(parts: {
    signature: RouteSignature;
    handler: RouteHandler;
    input: CompiledSchema | undefined;
    output: CompiledSchema | undefined;
    metrics: RouteMetrics;
    dispatch: RouteDispatch | undefined;
    definition: ServerDefinition;
    options: ResolvedServerOptions;
    headers: AnswerHeaders;
    access: Access;
    state: ServerState;
  }) {
    this.signature = parts.signature;
    this.handler = parts.handler;
    this.input = parts.input;
    this.output = parts.output;
    this.metrics = parts.metrics;
    this.dispatch = parts.dispatch;
    this.timeoutMs = parts.signature.timeoutMs ?? parts.definition.defaultTimeoutMs;
    this.options = parts.options;
    this.budget = parts.state.budget;
    this.#app = parts.definition.app;
    this.#headers = parts.headers;
    this.#access = parts.access;
    this.#state = parts.state;
  }

  createContext(request: FastifyRequest, reply: FastifyReply): HttpContext {
    const context = new HttpContext(request, reply, this.options.logger);
    this.#state.running.add(context);
    this.metrics.inProgress++;
    return context;
  }

  /** A call has its answer. False when it had one before: that of a server that could not wait. */
  end(context: HttpContext): boolean {
    if (!this.#state.running.delete(context)) return false;
    this.metrics.inProgress--;
    return true;
  }

  /** What a call is counted as whose answer nobody took. */
  lostStatus(context: HttpContext): number {
    const { abortReason } = context;
    return abortReason === undefined ? CLIENT_CLOSED_REQUEST : answerFor(abortReason).status;
  }

  /** Keeps a page of another origin from running a handler without asking first. @throws AppException */
  assertPreflighted(request: FastifyRequest): void {
    const refusal = this.#access.simpleRefusal(request.raw);
    if (refusal !== undefined) throw new AppException(refusal, 403);
  }

  /** Calls the handler on a body. Whatever either throws comes out. */
  call(context: HttpContext, body: unknown): unknown {
    if (this.input === undefined) return this.within(context, () => this.handler(context));
    const input = this.#read(this.input, body, context);
    return this.within(context, () => this.handler(input, context));
  }

  /** The same by way of the queue. */
  queue(dispatch: RouteDispatch, context: HttpContext, body: unknown, bytes: number): Promise<unknown> {
    const input = this.input === undefined ? undefined : this.#read(this.input, body, context);
    return dispatch.submit(context, input, bytes, context).answer;
  }

  /** Runs code of the app so that it can ask for the current request. */
  within<T>(context: RequestContext, code: () => T): T {
    return runInScope(context, this.#app, code);
  }

  /** Adds the headers that every answer of a handler carries. */
  applyHeaders(context: HttpContext, request: FastifyRequest, reply: FastifyReply): void {
    this.#headers.apply(request, reply);
    const token = context.changedCdnToken;
    if (token === undefined) return;
    if (isHeaderValue(token)) reply.header("x-fal-cdn-token", token);
    else context.log.warn("the new x-fal-cdn-token is no header value; it is not sent");
  }

  /** What the caller is told about an error; logs it, once, when nobody raised it on purpose. */
  answer(context: HttpContext, thrown: unknown): ErrorAnswer & { payload: string } {
    const error = context.abortReason !== undefined && isCancellation(thrown) ? context.abortReason : thrown;
    const answer = answerFor(error);
    if (answer.unexpected && !context.clientLeft && !this.#wasLogged(error)) {
      const { methodName, path } = this.signature;
      context.log.error({ err: asError(error), route: path }, `${methodName}() failed`);
    }
    try {
      return { ...answer, payload: JSON.stringify(answer.body) };
    } catch {
      return { ...answerFor(undefined), payload: '{"detail":"Internal Server Error"}' }; // a field that is no JSON
    }
  }

  #read(schema: CompiledSchema, body: unknown, context: HttpContext): unknown {
    if (body instanceof UnreadableBody) throw withBodyCause(body.error, context.raw, true);
    if (!(body instanceof Uint8Array)) return schema.accept(body);
    try {
      return schema.accept(body);
    } catch (error) {
      throw withBodyCause(error, context.raw, false);
    }
  }

  #wasLogged(error: unknown): boolean {
    if (typeof error !== "object" || error === null) return false;
    if (this.#logged.has(error)) return true;
    this.#logged.add(error);
    return false;
  }
}

/** What code that heeds the signal throws once it aborts; the reason says who aborted. */
function isCancellation(thrown: unknown): boolean {
  try {
    return (
      thrown instanceof RequestCancelledException || (thrown instanceof Error && thrown.name === "AbortError")
    );
  } catch {
    return false;
  }
}
