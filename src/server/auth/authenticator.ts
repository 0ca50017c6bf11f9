import type { FastifyReply, FastifyRequest, onRequestHookHandler } from "fastify";
import type { Logger } from "pino";
import { answerFor, asError, type ErrorAnswer } from "../../answers.ts";
import { AppException, UnauthorizedException } from "../../errors.ts";
import type { Authentication } from "../../settings/authentication.ts";
import { isPreflight, type Access } from "../access/access.ts";
import { leaveUnread } from "../bodies/unread-body.ts";
import { type AnswerHeaders, PAGE_HEADERS } from "../http/answer-headers.ts";
import type { AnswerCounter } from "../metrics/answer-counter.ts";
import { hasCredentials } from "./credentials.ts";
import { isThenable } from "../thenable.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The result of the app's `authenticate(request)`; undefined on public routes, and in apps without it. */
    caller?: unknown;
  }
  interface FastifyContextConfig {
    /** Whether everyone may call the route of an app that authenticates its callers. */
    isPublic?: boolean;
  }
}

/** Lets only identified callers pass. The hooks of every route that is not public begin with {@link hook}. */
export class Authenticator {
  readonly #authentication: Authentication;
  readonly #headers: AnswerHeaders;
  readonly #access: Access;
  readonly #counter: AnswerCounter;
  readonly #log: Logger;

  constructor(
    authentication: Authentication,
    {
      headers,
      access,
      counter,
      log,
    }: { headers: AnswerHeaders; access: Access; counter: AnswerCounter; log: Logger },
  ) {
    this.#authentication = authentication;
    this.#headers = headers;
    this.#access = access;
    this.#counter = counter;
    this.#log = log;
  }

  /** Identifies the caller before anything of the request is read, and answers in place of the route if it fails. */
  readonly hook: onRequestHookHandler = (request, reply, done) => {
    let caller: unknown;
    try {
      caller = this.#authentication.authenticate(request);
      if (isThenable(caller)) {
        return void caller.then(
          (found) => this.#settle(request, reply, done, found),
          (error: unknown) => this.#refuse(request, reply, error),
        );
      }
    } catch (error) {
      return this.#refuse(request, reply, error);
    }
    this.#settle(request, reply, done, caller);
  };

  /**
   * The same for requests without a route. Refused requests and preflights, which never carry credentials, are answered
   * by the server itself.
   */
  readonly hookWithoutRoute: onRequestHookHandler = (request, reply, done) => {
    if (this.#access.refused(request.raw) !== undefined || isPreflight(request.raw)) return done();
    this.hook.call(request.server, request, reply, done);
  };

  #settle(request: FastifyRequest, reply: FastifyReply, done: () => void, caller: unknown): void {
    if (caller === undefined || caller === null || caller === false) {
      return this.#refuse(request, reply, new UnauthorizedException(unknownCaller(request)));
    }
    request.caller = caller;
    done();
  }

  #refuse(request: FastifyRequest, reply: FastifyReply, thrown: unknown): void {
    const answer = answerOf(thrown);
    const { status } = answer;
    if (status >= 500) this.#report(thrown, status);
    const more: Record<string, string | string[]> = { ...PAGE_HEADERS };
    for (const [name, value] of Object.entries(answer.headers ?? {})) more[name.toLowerCase()] = value;
    if (status === 401) more["www-authenticate"] ??= this.#challenge(request);
    if (status === 403) more["www-authenticate"] ??= 'Bearer error="insufficient_scope"';
    const { metrics } = request.routeOptions.config;
    if (metrics !== undefined) this.#counter.count(metrics, reply.raw, status, performance.now());
    const { "content-length": length, "transfer-encoding": encoding } = request.headers;
    if (length !== undefined || encoding !== undefined) leaveUnread(request, reply);
    reply.headers(more);
    this.#headers.sendJson(request, reply, status, JSON.stringify(answer.body));
  }

  /** RFC 6750: a request with credentials learns that they are invalid, one without them only what to send. */
  #challenge(request: FastifyRequest): string {
    const { challenge = "Bearer" } = this.#authentication;
    return challenge === "Bearer" && hasCredentials(request) ? 'Bearer error="invalid_token"' : challenge;
  }

  #report(thrown: unknown, status: number): void {
    const err = asError(thrown, "authenticate");
    if (status === 503) this.#log.warn({ err }, "callers can't be authenticated at the moment");
    else this.#log.error({ err }, "authenticate() failed; the request is refused");
  }
}

const INTERNAL: ErrorAnswer = { status: 500, body: { detail: "Internal Server Error" }, unexpected: true };

/** Only errors that were raised for the caller decide the answer; everything else is a fault of the app. */
function answerOf(thrown: unknown): ErrorAnswer {
  if (!(thrown instanceof AppException)) return INTERNAL;
  const answer = answerFor(thrown);
  return answer.status >= 400 ? answer : INTERNAL;
}

function unknownCaller(request: FastifyRequest): string | undefined {
  return hasCredentials(request) ? undefined : "Not authenticated. Send a key: Authorization: Bearer KEY.";
}
