import type { FastifyReply, FastifyRequest } from "fastify";
import type { IncomingMessage } from "node:http";
import { runInScope, type RequestContext } from "../../context.ts";
import { answerFor, asError, type ErrorAnswer } from "../../answers.ts";
import { AppException, RequestCancelledException, type ValidationIssue } from "../../errors.ts";
import type { RouteHandler, RouteSignature } from "../../routes/signature.ts";
import type { Access } from "../access/access.ts";
import { type AnswerHeaders, isHeaderValue } from "./answer-headers.ts";
import type { RouteDispatch, StartInWorker } from "../dispatch/route-dispatch.ts";
import { bodyBytes } from "../bodies/body-collection.ts";
import { withBodyCause } from "../bodies/body-cause.ts";
import { UnreadableBody } from "../bodies/json-body.ts";
import type { ResolvedServerOptions, ServerDefinition } from "../definition.ts";
import { HttpContext } from "./http-context.ts";
import type { MemoryBudget } from "../bodies/memory-budget.ts";
import { CLIENT_CLOSED_REQUEST, type RouteMetrics } from "../metrics/metrics.ts";
import type { AnswerCounter } from "../metrics/answer-counter.ts";
import type { ServerState } from "../lifecycle/server-state.ts";
import { setSpan, spanOf } from "../../tracing/tracing.ts";
import { startRequestSpan } from "../tracing/request-span.ts";
import type { CompiledSchema } from "../validation/validator.ts";

/** An HTTP route with everything needed to serve it. */
export class RouteRuntime {
  readonly signature: RouteSignature;
  readonly handler: RouteHandler;
  readonly input: CompiledSchema | undefined;
  readonly output: CompiledSchema | undefined;
  /** The schema of a stream's item, if the method may also return a single result. */
  readonly item: CompiledSchema | undefined;
  readonly metrics: RouteMetrics;
  readonly timeoutMs: number | undefined;
  /** The queue before the handler, if any; it enforces the timeout of queued and running calls. */
  readonly dispatch: RouteDispatch | undefined;
  readonly options: ResolvedServerOptions;
  /** The memory for callers' input. */
  readonly budget: MemoryBudget;
  readonly #status: number;
  readonly #app: object;
  readonly #headers: AnswerHeaders;
  readonly #access: Access;
  readonly #state: ServerState;
  readonly #counter: AnswerCounter;
  /** Errors already logged: an error that fails a whole batch is logged once. */
  readonly #logged = new WeakSet<object>();

  constructor(parts: {
    signature: RouteSignature;
    handler: RouteHandler;
    input: CompiledSchema | undefined;
    output: CompiledSchema | undefined;
    item: CompiledSchema | undefined;
    metrics: RouteMetrics;
    dispatch: RouteDispatch | undefined;
    definition: ServerDefinition;
    options: ResolvedServerOptions;
    headers: AnswerHeaders;
    access: Access;
    state: ServerState;
    counter: AnswerCounter;
  }) {
    this.signature = parts.signature;
    this.handler = parts.handler;
    this.input = parts.input;
    this.output = parts.output;
    this.item = parts.item;
    this.metrics = parts.metrics;
    this.dispatch = parts.dispatch;
    this.timeoutMs = parts.signature.timeoutMs ?? parts.definition.defaultTimeoutMs;
    this.options = parts.options;
    this.budget = parts.state.budget;
    this.#status = parts.signature.status ?? 200;
    this.#app = parts.definition.app;
    this.#headers = parts.headers;
    this.#access = parts.access;
    this.#state = parts.state;
    this.#counter = parts.counter;
  }

  createContext(request: FastifyRequest, reply: FastifyReply): HttpContext {
    const context = new HttpContext(request, reply, this.options.logger);
    const { tracing } = this.#state;
    if (tracing !== undefined) setSpan(context, startRequestSpan(tracing, request, this.signature));
    this.#state.running.add(context);
    this.metrics.inProgress++;
    return context;
  }

  /** Whether the app has hooks that may change answers. */
  get hasSendHooks(): boolean {
    return this.#state.hasSendHooks;
  }

  /** Ends a call when its answer is sent. False if it was already answered, by a server that no longer waited. */
  end(context: HttpContext, status: number): boolean {
    if (!this.#state.running.delete(context)) return false;
    if (this.#state.tracing !== undefined) spanOf(context)?.endWithStatus(status);
    this.metrics.inProgress--;
    return true;
  }

  /** Counts an answer, once. @param started the start of the call, by `performance.now()` */
  count(context: HttpContext, reply: FastifyReply, status: number, started: number): void {
    if (this.#state.hasSendHooks) {
      this.#counter.count(this.metrics, reply.raw, status, started, () => this.lostStatus(context));
    } else this.metrics.record(status, (performance.now() - started) / 1000);
  }

  /** The status in the metrics for a call whose answer was not delivered. */
  lostStatus(context: HttpContext): number {
    const { abortReason } = context;
    return abortReason === undefined ? CLIENT_CLOSED_REQUEST : answerFor(abortReason).status;
  }

  /**
   * Keeps pages of other origins from running a handler without a preflight.
   * @throws AppException
   */
  assertPreflighted(request: FastifyRequest): void {
    const refusal = this.#access.simpleRefusal(request.raw);
    if (refusal !== undefined) throw new AppException(refusal, 403);
  }

  /** The length of a request's body in memory, in bytes. */
  bytesOf(request: IncomingMessage): number {
    return bodyBytes(request);
  }

  /** The input of a request, or a promise of it. @throws InputValidationError */
  readInput(context: HttpContext, body: unknown): unknown {
    return this.input === undefined ? undefined : this.read(this.input, body, context);
  }

  /** The issues of a request's parameters, which are converted for its context; undefined if they fit. */
  findParameterFaults(_context: HttpContext): readonly ValidationIssue[] | undefined {
    return undefined;
  }

  /** Calls the handler with a body. Throws the errors of validation and handler. */
  call(context: HttpContext, body: unknown): unknown {
    if (this.input === undefined) return this.within(context, () => this.handler(context));
    const input = this.read(this.input, body, context);
    return this.within(context, () => this.handler(input, context));
  }

  /** Like {@link call}, in the worker that the queue has assigned to a stream; undefined: here. */
  callIn(start: StartInWorker | undefined, context: HttpContext, body: unknown): unknown {
    if (start === undefined) return this.call(context, body);
    return start(this.input === undefined ? undefined : this.read(this.input, body, context));
  }

  /** Like {@link call}, through the queue. */
  queue(dispatch: RouteDispatch, context: HttpContext, body: unknown, bytes: number): Promise<unknown> {
    const input = this.input === undefined ? undefined : this.read(this.input, body, context);
    return dispatch.submit(context, input, bytes, context).answer;
  }

  /** Runs code of the app so that it can read the current request. */
  within<T>(context: RequestContext, code: () => T): T {
    return runInScope(context, this.#app, code);
  }

  /** The status of a result. */
  statusOf(context: HttpContext): number {
    return context.answerStatus ?? this.#status;
  }

  /** Adds the headers of a handler's answer. */
  applyHeaders(context: HttpContext, request: FastifyRequest, reply: FastifyReply): void {
    this.#headers.apply(request, reply);
    const token = context.changedCdnToken;
    if (token === undefined) return;
    if (isHeaderValue(token)) reply.header("x-fal-cdn-token", token);
    else context.log.warn("the new x-fal-cdn-token is not a valid header value; it is not sent");
  }

  /**
   * The headers of a handler's answer as a list of names and values in turn. Undefined if Fastify has to send the answer,
   * because there are hooks, or headers in the reply.
   */
  directHeaders(context: HttpContext): readonly string[] | undefined {
    if (this.#state.hasSendHooks || context.hasOwnHeaders || context.changedCdnToken !== undefined)
      return undefined;
    return this.#headers.listFor(context.raw.headers.origin);
  }

  /** The answer to an error. Logs unexpected errors once. */
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
      return { ...answerFor(undefined), payload: '{"detail":"Internal Server Error"}' }; // a field that JSON can't represent
    }
  }

  /** Validates a body. @throws InputValidationError */
  read(schema: Pick<CompiledSchema, "accept">, body: unknown, context: HttpContext): unknown {
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

/** Errors that code throws when its signal aborts. The abort's reason is more precise. */
function isCancellation(thrown: unknown): boolean {
  try {
    return (
      thrown instanceof RequestCancelledException || (thrown instanceof Error && thrown.name === "AbortError")
    );
  } catch {
    return false;
  }
}
