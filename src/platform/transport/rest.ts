import { PlatformError } from "../../errors.ts";
import { keyRefused, keyTooWeak, type Credentials } from "../target/credentials.ts";
import type { Endpoint } from "../target/endpoints.ts";
import { CLOSED, networkFailure, TLS_HINT } from "./network-failure.ts";
import { USER_AGENT } from "./user-agent.ts";
import { fetchTrusting } from "./trusting-fetch.ts";
import { timerMs } from "../../processes/timers.ts";
import { plainCause, plainLine, plainSentence } from "./plain-line.ts";
import { detailOf, readText } from "./response-text.ts";

/** A request to the REST API of a control plane. */
export interface RestRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** The path of the URL, with its leading `/`, escaped. */
  readonly path: string;
  /** The body. A stream is sent while it is read, and cannot be sent again: see {@link STREAMED_BODY}. */
  readonly body?: string | ReadableStream<Uint8Array> | undefined;
  /** Further headers; those of the credentials are added. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends a request with the host and credentials that it is bound to. Resolves with the response, of any status, when the
 * headers have arrived; rejects without a response, or with the signal's reason.
 */
export type RestCall = (request: RestRequest) => Promise<Response>;

/**
 * The options of `fetch` for a body that is a stream. If redirects were allowed, `fetch` would keep a copy of the whole
 * stream in memory.
 */
export const STREAMED_BODY = { duplex: "half", redirect: "error", window: null } as const;

/** Options of {@link Rest}. */
export interface RestOptions {
  endpoint: Endpoint;
  credentials: Credentials;
  /** Maximum time until the headers of a response, and for `json()` until its end, in milliseconds. Default 60,000. */
  timeoutMs?: number | undefined;
}

/** A request whose response is read as JSON. */
export interface JsonRequest extends Omit<RestRequest, "body"> {
  /** Sent as JSON; if omitted, there is no body. */
  readonly json?: unknown;
}

/** Maximum size of an error response that is read, in bytes. */
const MAX_ERROR_BYTES = 65_536;
/** Maximum size of a JSON response, in bytes. Responses of control planes are far smaller. */
const MAX_ANSWER_BYTES = 64 * 2 ** 20;

/** A client for the REST API of a control plane. Errors are `PlatformError`s, or the reason of the caller's signal. */
export class Rest {
  readonly #options: RestOptions;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /**
   * Sends a request with the key. Resolves when the headers have arrived, with a response of any status except redirects.
   * A streamed body has no time limit. An error response is read first, and the key is removed from it.
   */
  readonly send: RestCall = async (request) => {
    // The time of a streamed body is limited by its source.
    const limit = new Limit(request.signal, typeof request.body === "object" ? Infinity : this.#timeoutMs);
    try {
      const response = await this.#fetch(request, limit);
      return response.ok ? response : await this.#withoutKey(response, limit);
    } finally {
      // Only the headers have a time limit: the body of followed logs may take hours.
      limit.end();
    }
  };

  /** Sends a request and parses its response; undefined if that is empty. */
  async json(request: JsonRequest): Promise<unknown> {
    const { json, ...rest } = request;
    const body = json === undefined ? {} : { body: JSON.stringify(json) };
    const headers = json === undefined ? {} : { "content-type": "application/json" };
    const limit = new Limit(request.signal, this.#timeoutMs);
    try {
      const sent = { ...rest, ...body, headers: { ...headers, ...request.headers } };
      const response = await this.#fetch(sent, limit);
      if (!response.ok) throw await this.failure(response, request);
      return await this.#parse(response, request, limit);
    } finally {
      limit.end();
    }
  }

  /** Translates an error response into an error. Reads its body. */
  async failure(response: Response, request: Pick<RestRequest, "method" | "path">): Promise<PlatformError> {
    const { credentials } = this.#options;
    const { status } = response;
    const details = plainSentence(detailOf((await readText(response, MAX_ERROR_BYTES)).text), credentials);
    const options = { status: `HTTP ${status}` };
    const where = this.#subject();
    if (status === 401) {
      return new PlatformError("CREDENTIALS_INVALID", keyRefused(where, credentials, details), options);
    }
    if (status === 403) {
      const what = keyTooWeak(credentials, nameOf(request));
      return new PlatformError("PLATFORM_REFUSED", `${details} ${what}`.trim(), options);
    }
    if (status === 429 || status === 502 || status === 503 || status === 504) {
      const message = `${where} is not available (HTTP ${status}). ${details}`.trim();
      return new PlatformError("PLATFORM_UNREACHABLE", `${message} Try again in a while.`, options);
    }
    const message = details === "" ? `${where} answered ${nameOf(request)} with HTTP ${status}.` : details;
    return new PlatformError("PLATFORM_REFUSED", message, options);
  }

  async #withoutKey(response: Response, limit: Limit): Promise<Response> {
    const { status, statusText, headers } = response;
    const { text } = await readText(response, MAX_ERROR_BYTES);
    limit.throwIfAborted();
    const { credentials } = this.#options;
    return new Response(credentials.secret.removeFrom(text), {
      status,
      // `Response` accepts only some of the characters that a server may send.
      statusText: plainLine(statusText, credentials)
        .replaceAll("…", "...")
        .replaceAll(/[^ -~]/g, ""),
      headers,
    });
  }

  async #fetch(request: RestRequest, limit: Limit): Promise<Response> {
    const { endpoint, credentials } = this.#options;
    const { method, path, body, headers } = request;
    limit.throwIfAborted();
    let response: Response;
    try {
      const send = endpoint.authority === undefined ? fetch : await fetchTrusting(endpoint.authority);
      response = await send(new URL(path, endpoint.url), {
        method,
        headers: { ...headers, "user-agent": USER_AGENT, authorization: credentials.authorization() },
        signal: limit.signal,
        // Following a redirect would send the key to another host.
        redirect: "manual",
        ...(body === undefined ? {} : { body }),
        ...(typeof body === "object" ? STREAMED_BODY : {}),
      });
    } catch (error) {
      throw this.#unreachable(error, request, limit);
    }
    const { status } = response;
    if (status < 300 || (status >= 400 && status < 600)) return response;
    await response.body?.cancel().catch(() => {});
    const what =
      status < 400
        ? `redirects ${nameOf(request)} (HTTP ${status}); check its host.`
        : `does not answer like a control plane (HTTP ${status}); check host and port.`;
    throw new PlatformError("PLATFORM_UNREACHABLE", `${this.#subject()} ${what}`, {
      status: `HTTP ${status}`,
    });
  }

  async #parse(response: Response, request: JsonRequest, limit: Limit): Promise<unknown> {
    const { text, isTooLong, failure } = await readText(response, MAX_ANSWER_BYTES);
    if (failure !== undefined) throw this.#unreachable(failure, request, limit);
    if (isTooLong) {
      const message = `${this.#subject()} answered ${nameOf(request)} with more than ${MAX_ANSWER_BYTES / 2 ** 20} MiB; check host and port.`;
      throw new PlatformError("PLATFORM_UNREACHABLE", message, { status: `HTTP ${response.status}` });
    }
    if (text === "") return undefined;
    try {
      return JSON.parse(text);
    } catch {
      throw new PlatformError(
        "PLATFORM_UNREACHABLE",
        `${this.#subject()} answered ${nameOf(request)} with invalid JSON; check host and port.`,
        { status: `HTTP ${response.status}` },
      );
    }
  }

  #unreachable(error: unknown, request: Pick<RestRequest, "method" | "path">, limit: Limit): PlatformError {
    limit.throwIfAborted();
    const { credentials, endpoint } = this.#options;
    const cause = plainCause(error, credentials);
    const subject = this.#subject();
    if (limit.isOver) {
      const message = `${subject} gave no answer to ${nameOf(request)} within ${this.#timeoutMs / 1000} s; try again.`;
      return new PlatformError("PLATFORM_UNREACHABLE", message, { cause });
    }
    const failure = networkFailure(error);
    const hint = failure?.cause === CLOSED && endpoint.isPlaintext ? TLS_HINT : "";
    const why =
      failure === undefined
        ? plainSentence(plainLine(rootMessage(error), credentials))
        : `${failure.cause}; ${failure.advice}${hint}.`;
    return new PlatformError("PLATFORM_UNREACHABLE", `${subject} could not be reached: ${why}`, { cause });
  }

  get #timeoutMs(): number {
    return this.#options.timeoutMs ?? 60_000;
  }

  /** The subject of a sentence. */
  #subject(): string {
    const { host, origin } = this.#options.endpoint;
    return `The control plane's REST side at ${host} (${origin})`;
  }
}

/** Combines a caller's signal with a timeout. */
class Limit {
  readonly signal: AbortSignal;
  readonly #callers: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(callers: AbortSignal | undefined, timeoutMs: number) {
    const own = new AbortController();
    this.#callers = callers;
    this.signal = callers === undefined ? own.signal : AbortSignal.any([callers, own.signal]);
    if (timeoutMs === Infinity) return;
    this.#timer = setTimeout(() => {
      this.#isOver = true;
      own.abort();
    }, timerMs(timeoutMs));
  }

  /** Whether the timeout has expired. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Throws the reason of the caller's signal if it is aborted. */
  throwIfAborted(): void {
    this.#callers?.throwIfAborted();
  }

  /** Ends the timeout. The caller's signal stays connected. */
  end(): void {
    clearTimeout(this.#timer);
  }
}

function nameOf({ method, path }: Pick<RestRequest, "method" | "path">): string {
  return `${method} ${path.replace(/\?.*$/, "")}`;
}

/** The message of the innermost cause, because fetch itself only reports "fetch failed". */
function rootMessage(error: unknown): string {
  let item = error;
  while (item instanceof Error && item.cause instanceof Error) item = item.cause;
  return item instanceof Error ? item.message : String(item);
}
