import type { FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { asError } from "../../answers.ts";
import type { Access } from "../access/access.ts";
import type { ResolvedServerOptions, ServerDefinition } from "../definition.ts";
import type { ServerState } from "../lifecycle/server-state.ts";

/**
 * The headers of every answer, whichever part of the server sends it: CORS, hints, and `Connection: close` once the
 * server stops. Called by the senders, since a hook would cost more than the headers themselves.
 */
export class AnswerHeaders {
  readonly #access: Access;
  readonly #provideHints: ServerDefinition["provideHints"];
  readonly #state: ServerState;
  readonly #log: Logger;
  readonly #exposedHeaders: string | undefined;
  /** The origin of the last call of {@link listFor}, and its headers: most requests repeat it. */
  #listedOrigin: string | undefined;
  #listedAs: ReturnType<Access["allows"]> = "no";
  #list: readonly string[] = NO_HEADERS;
  /** Time for which browsers keep the answer to a preflight, in seconds. */
  readonly preflightMaxAge: string;

  constructor(
    definition: ServerDefinition,
    options: ResolvedServerOptions,
    { state, access }: { state: ServerState; access: Access },
  ) {
    this.#access = access;
    this.#provideHints = definition.provideHints;
    this.#state = state;
    this.#log = options.logger;
    this.#exposedHeaders = options.cors?.exposedHeaders;
    this.preflightMaxAge = options.cors?.maxAge ?? "600";
  }

  /** Whether browsers on this origin may call, and with credentials. */
  allows(origin: string): ReturnType<Access["allows"]> {
    return this.#access.allows(origin);
  }

  /** Adds the headers to a Fastify reply. */
  apply(request: FastifyRequest, reply: FastifyReply): void {
    const { origin } = request.headers;
    if (origin !== undefined || this.#provideHints !== undefined || this.#state.stopping) {
      const varied = origin === undefined ? undefined : reply.getHeader("vary");
      this.#set(origin, (name, value) => {
        if (name !== EXPOSED || reply.getHeader(name) === undefined) reply.header(name, value); // else the app's own
      });
      if (varied !== undefined) reply.header("vary", withOrigin(String(varied)));
    }
  }

  /**
   * The headers as a list of names and values in turn, for answers that are written directly. The same list for all
   * requests from an origin. Undefined if they may differ from answer to answer.
   */
  listFor(origin: string | undefined): readonly string[] | undefined {
    if (this.#provideHints !== undefined || this.#state.stopping) return undefined;
    if (origin === undefined) return NO_HEADERS;
    const allowed = this.allows(origin); // may change when the server begins to listen
    if (origin !== this.#listedOrigin || allowed !== this.#listedAs) {
      const list: string[] = [];
      this.#set(origin, (name, value) => list.push(name, value));
      this.#list = list;
      this.#listedOrigin = origin;
      this.#listedAs = allowed;
    }
    return this.#list;
  }

  /** Returns the headers as a record, for answers that Fastify does not send. */
  for(origin: string | undefined): Record<string, string> {
    const headers: Record<string, string> = {};
    this.#set(origin, (name, value) => (headers[name] = value));
    return headers;
  }

  /** Sends a JSON answer with the headers of every answer and `more`. */
  sendJson(
    request: FastifyRequest,
    reply: FastifyReply,
    status: number,
    payload: string,
    more: Readonly<Record<string, string | string[]>> = {},
  ): FastifyReply {
    this.apply(request, reply);
    return reply.code(status).headers(more).type("application/json").send(payload);
  }

  #set(origin: string | undefined, set: (name: string, value: string) => unknown): void {
    const allowed = origin === undefined ? "no" : this.allows(origin);
    if (origin !== undefined && allowed !== "no") {
      set("access-control-allow-origin", origin);
      if (allowed === "credentials") set("access-control-allow-credentials", "true");
      if (this.#exposedHeaders !== undefined) set(EXPOSED, this.#exposedHeaders);
      set("vary", "Origin");
    }
    const hints = this.#provideHints === undefined ? undefined : this.#hints(this.#provideHints);
    if (hints !== undefined) set("x-fal-runner-hints", hints);
    if (this.#state.stopping) set("connection", "close");
  }

  #hints(provideHints: () => readonly string[]): string | undefined {
    try {
      const hints = [...provideHints()].map(String);
      const sent = hints.filter(isHeaderValue);
      if (sent.length < hints.length) {
        const left = hints.filter((hint) => !isHeaderValue(hint));
        this.#log.warn({ hints: left }, "hints that are not latin-1 text are omitted");
      }
      return sent.join(",");
    } catch (error) {
      this.#log.error(
        { err: asError(error, "provideHints") },
        "provideHints() threw; the answer is sent without hints",
      );
      return undefined;
    }
  }
}

const NO_HEADERS: readonly string[] = [];
const EXPOSED = "access-control-expose-headers";

/** The app's own value of `vary`, with the origin. */
function withOrigin(varied: string): string {
  return /(?:^|,)\s*(?:origin|\*)\s*(?:,|$)/i.test(varied) ? varied : `${varied}, Origin`;
}

/** Whether Node accepts a value in a header: latin-1 without control characters. */
export function isHeaderValue(value: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
}

/** Headers of answers that are not pages: browsers must not guess another type or load anything. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
};

/** Headers of the documentation pages, which load everything from the app and call only the app. */
export const DOCS_HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
};
