import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { assertAnswerHeader, assertAnswerStatus, type HeaderValue } from "../../answer-header.ts";
import {
  parseLifecyclePreference,
  type RawHeaders,
  type RawQuery,
  type RequestContext,
} from "../../context.ts";
import { type Cookies, parseCookies } from "../../cookies.ts";
import type { MediaCall } from "../../routes/media-runtime.ts";
import { RequestCancelledException } from "../../errors.ts";
import type { RunningCall } from "../lifecycle/server-state.ts";
import type { TypedParts } from "../parameters/typed-parts.ts";

/** Headers that say how a body is to be read. */
export interface BodyForm {
  contentType?: string;
  contentEncoding?: string;
}

/** The context of an HTTP request. Expensive parts are created on first use. */
export class HttpContext implements RequestContext, RunningCall {
  isRunning = false;
  before: RunningCall | undefined;
  after: RunningCall | undefined;
  /** The status that the handler has set. */
  answerStatus: number | undefined;
  /** The headers about the form of the body that the handler has set: only some results can have them. */
  bodyForm: BodyForm | undefined;
  /** There are other headers in the reply. */
  hasOwnHeaders = false;
  /** The converted parameters, on routes that have schemas for them. */
  typed: TypedParts | undefined;
  /** The files of the call, on routes with schemas of files. */
  files: MediaCall | undefined;
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  readonly #rootLog: Logger;
  #headers: RawHeaders | undefined;
  #cdnToken: string | string[] | undefined;
  #requestId: string | undefined;
  #cookies: Cookies | undefined;
  #log: Logger | undefined;
  #controller: AbortController | undefined;
  #abortReason: unknown;
  #onAbort: ((reason: unknown) => void) | undefined;
  #onForced: ((reason: unknown) => void) | undefined;
  #listens = false;

  constructor(request: FastifyRequest, reply: FastifyReply, rootLog: Logger) {
    this.#request = request;
    this.#reply = reply;
    this.#rootLog = rootLog;
    this.#cdnToken = request.headers["x-fal-cdn-token"];
  }

  get requestId(): string {
    return (this.#requestId ??= this.#header("x-fal-request-id") ?? newId(this.#request));
  }

  get endpoint(): string | undefined {
    return this.#header("x-fal-endpoint");
  }

  get lifecyclePreference(): Readonly<Record<string, unknown>> | null {
    return parseLifecyclePreference(this.#header("x-fal-object-lifecycle-preference"));
  }

  get headers(): RawHeaders {
    return (this.typed?.headers as RawHeaders | undefined) ?? this.rawHeaders;
  }

  /** The request's headers as text. */
  get rawHeaders(): RawHeaders {
    if (this.#headers === undefined) {
      this.#headers = firstValues(this.#request.raw);
      this.#cdnToken = this.#headers["x-fal-cdn-token"];
    }
    return this.#headers;
  }

  get cookies(): Cookies {
    return (this.#cookies ??= parseCookies(this.#header("cookie")));
  }

  get request(): FastifyRequest {
    return this.#request;
  }

  /** The request itself. */
  get raw(): IncomingMessage {
    return this.#request.raw;
  }

  get query(): RawQuery {
    return (this.typed?.query ?? this.#request.query) as RawQuery;
  }

  get params(): Readonly<Record<string, string>> {
    return (this.typed?.params ?? this.#request.params) as Record<string, string>;
  }

  get caller(): unknown {
    return this.#request.caller;
  }

  get log(): Logger {
    return (this.#log ??= this.#rootLog.child({ requestId: this.requestId }));
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
      else this.#listen();
    }
    return this.#controller.signal;
  }

  /** Registers a callback for aborts: cheaper than {@link signal}. */
  watch(onAbort: (reason: unknown) => void): void {
    this.#onAbort = onAbort;
    if (this.#abortReason !== undefined) onAbort(this.#abortReason);
    else this.#listen();
  }

  /** The connection was closed before the answer was complete. */
  get clientLeft(): boolean {
    const { raw } = this.#reply;
    return raw.destroyed && !raw.writableFinished;
  }

  /** The reason of the abort; undefined while the call is not aborted. */
  get abortReason(): unknown {
    return this.#abortReason;
  }

  /** Aborts the handler. The first reason decides the answer and the metrics of the call. */
  abort(reason: unknown): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
    this.#onAbort?.(reason);
  }

  /** Registers a callback that answers when the server no longer waits for a handler that ignores its signal. */
  onForcedAbort(answer: (reason: unknown) => void): void {
    this.#onForced = answer;
  }

  /** Aborts the handler, and answers in its place. */
  forceAbort(reason: unknown): void {
    this.abort(reason);
    this.#onForced?.(reason);
  }

  #listen(): void {
    const { raw } = this.#reply;
    if (this.clientLeft) return this.abort(this.#whyLeft());
    if (this.#listens || raw.writableFinished) return;
    this.#listens = true;
    raw.once("close", () => {
      if (this.clientLeft) this.abort(this.#whyLeft());
    });
  }

  /**
   * The reason of a disconnection: the client left, or the server closed the connection because the client had stopped
   * reading.
   */
  #whyLeft(): Error {
    const { errored } = this.#request.raw.socket;
    return errored instanceof RequestCancelledException ? errored : new RequestCancelledException();
  }

  status(code: number): void {
    assertAnswerStatus(code);
    if (this.#reply.raw.headersSent)
      this.log.warn(`the status ${code} is not sent: the answer's head has already been sent`);
    else this.answerStatus = code;
  }

  setHeader(name: string, value: HeaderValue): void {
    assertAnswerHeader(name, value);
    if (this.#reply.raw.headersSent) {
      this.log.warn(`the header ${name} is not sent: the answer's head has already been sent`);
      return;
    }
    const known = name.toLowerCase();
    if (known === "content-type") (this.bodyForm ??= {}).contentType = String(value);
    else if (known === "content-encoding") (this.bodyForm ??= {}).contentEncoding = String(value);
    else this.addHeaders([[name, value]]);
  }

  /** Adds headers to the answer that the reply will have. */
  addHeaders(headers: Iterable<readonly [string, HeaderValue]>): void {
    this.hasOwnHeaders = true;
    for (const [name, value] of headers) this.#reply.header(name, value);
  }

  /** The new value of `x-fal-cdn-token`, if the handler changed it. */
  get changedCdnToken(): string | undefined {
    const token = (this.typed?.headers ?? this.#request.raw.headers)["x-fal-cdn-token"];
    return token === this.#cdnToken || typeof token !== "string" ? undefined : token;
  }

  #header(name: string): string | undefined {
    const value = this.rawHeaders[name];
    return typeof value === "string" ? value : value?.[0];
  }
}

/** The id of a request that has none: the one in `request.log`, if the app configures its server. */
function newId({ id }: FastifyRequest): string {
  return id.startsWith("req-") ? randomUUID() : id; // otherwise Fastify has numbered it
}

/**
 * The headers of a request, with the first value of repeated ones: Node joins the values of most headers, but clients
 * of the original rely on the first one. Returns the request's own record, which is changed.
 */
export function firstValues(request: IncomingMessage): Record<string, string | string[] | undefined> {
  const { headers, rawHeaders } = request;
  // If there are as many names as header lines, no header is repeated.
  if (Object.keys(headers).length === rawHeaders.length / 2) return headers;
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] as string).toLowerCase();
    const value = rawHeaders[index + 1] as string;
    if (seen.has(name)) continue;
    seen.add(name);
    // Only joined values are replaced: a header that was changed before routing keeps its new value.
    if (headers[name] !== undefined && isJoined(headers[name], value)) headers[name] = value;
  }
  return headers;
}

function isJoined(value: string | string[], first: string): boolean {
  return Array.isArray(value) || (value.length > first.length && value.startsWith(first));
}
