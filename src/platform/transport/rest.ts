import { PlatformError } from "../../errors.ts";
import { keyRefused, keyTooWeak, type Credentials } from "../target/credentials.ts";
import type { Endpoint } from "../target/endpoints.ts";
import { CLOSED, networkFailure, TLS_HINT } from "./network-failure.ts";
import { USER_AGENT } from "./user-agent.ts";
import { timerMs } from "../../processes/timers.ts";
import { plainCause, plainLine, plainSentence } from "./plain-line.ts";
import { detailOf, readText } from "./response-text.ts";

/** One request to the REST side of a control plane. */
export interface RestRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** With its leading `/`, escaped as in a URL. */
  readonly path: string;
  /** The body as it goes out. A stream is sent as it is read, and can be sent once: see {@link STREAMED_BODY}. */
  readonly body?: string | ReadableStream<Uint8Array> | undefined;
  /** Beside those of the credentials. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends a request with the host and the credentials it is bound to. Resolves with the answer, of whatever status, as
 * soon as its head is there; rejects when there is no answer, or with the signal's reason.
 */
export type RestCall = (request: RestRequest) => Promise<Response>;

/**
 * What `fetch` has to be told beside a body that is a stream. Where a redirect could follow, it makes a copy of the stream
 * to send again, and so keeps all of what was sent in memory.
 */
export const STREAMED_BODY = { duplex: "half", redirect: "error", window: null } as const;

/** What a {@link Rest} is made of. */
export interface RestOptions {
  endpoint: Endpoint;
  credentials: Credentials;
  /** How long until the head of an answer has to be there, and of `json()` all of it, in milliseconds. Default 60,000. */
  timeoutMs?: number | undefined;
}

/** A request whose answer is read as JSON. */
export interface JsonRequest extends Omit<RestRequest, "body"> {
  /** Sent as JSON; without it there is no body. */
  readonly json?: unknown;
}

/** More of an answer that is no success is not read, in bytes. */
const MAX_ERROR_BYTES = 65_536;
/** Nor is one that is read as JSON, in bytes: none of a control plane's comes near. */
const MAX_ANSWER_BYTES = 64 * 2 ** 20;

/** The REST side of a control plane. Whatever fails is a `PlatformError`, or the reason of the caller's signal. */
export class Rest {
  readonly #options: RestOptions;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /**
   * Sends a request, with the key. Resolves with the answer, of any status but a redirect, as soon as its head is
   * there. There is no time limit for a body that is a stream. An answer that is no success is read first: it may repeat
   * the key, which is taken out.
   */
  readonly send: RestCall = async (request) => {
    // How long a body takes is for who reads it from somewhere to say.
    const limit = new Limit(request.signal, typeof request.body === "object" ? Infinity : this.#timeoutMs);
    try {
      const response = await this.#fetch(request, limit);
      return response.ok ? response : await this.#withoutKey(response, limit);
    } finally {
      // So is how long the answer's may take: logs are followed for hours.
      limit.end();
    }
  };

  /** Sends a request and reads its answer: what it says, or nothing when it is empty. */
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

  /** What an answer that is no success means. Reads its body. */
  async failure(response: Response, request: Pick<RestRequest, "method" | "path">): Promise<PlatformError> {
    const { credentials } = this.#options;
    const { status } = response;
    const details = plainSentence(detailOf((await readText(response, MAX_ERROR_BYTES)).text), credentials);
    const options = { status: `HTTP ${status}` };
    const where = this.#place();
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
      // Of what a server may say there a `Response` takes only a part.
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
      response = await fetch(new URL(path, endpoint.url), {
        method,
        headers: { ...headers, "user-agent": USER_AGENT, authorization: credentials.authorization() },
        signal: limit.signal,
        // The key is for this host alone.
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
        ? `sends ${nameOf(request)} elsewhere (HTTP ${status}); check its host.`
        : `does not answer as one (HTTP ${status}); check host and port.`;
    throw new PlatformError("PLATFORM_UNREACHABLE", `${this.#place()} ${what}`, { status: `HTTP ${status}` });
  }

  async #parse(response: Response, request: JsonRequest, limit: Limit): Promise<unknown> {
    const { text, isTooLong, failure } = await readText(response, MAX_ANSWER_BYTES);
    if (failure !== undefined) throw this.#unreachable(failure, request, limit);
    if (isTooLong) {
      const message = `${this.#place()} answered ${nameOf(request)} with more than ${MAX_ANSWER_BYTES / 2 ** 20} MiB; check host and port.`;
      throw new PlatformError("PLATFORM_UNREACHABLE", message, { status: `HTTP ${response.status}` });
    }
    if (text === "") return undefined;
    try {
      return JSON.parse(text);
    } catch {
      throw new PlatformError(
        "PLATFORM_UNREACHABLE",
        `${this.#place()} answered ${nameOf(request)} with something that is no JSON; check host and port.`,
        { status: `HTTP ${response.status}` },
      );
    }
  }

  #unreachable(error: unknown, request: Pick<RestRequest, "method" | "path">, limit: Limit): PlatformError {
    limit.throwIfAborted();
    const { credentials, endpoint } = this.#options;
    const cause = plainCause(error, credentials);
    const place = this.#place();
    if (limit.isOver) {
      const message = `${place} gave no answer to ${nameOf(request)} within ${this.#timeoutMs / 1000} s; try again.`;
      return new PlatformError("PLATFORM_UNREACHABLE", message, { cause });
    }
    const failure = networkFailure(error);
    const hint = failure?.cause === CLOSED && endpoint.isPlaintext ? TLS_HINT : "";
    const why =
      failure === undefined
        ? plainSentence(plainLine(rootMessage(error), credentials))
        : `${failure.cause}; ${failure.advice}${hint}.`;
    return new PlatformError("PLATFORM_UNREACHABLE", `${place} could not be reached: ${why}`, { cause });
  }

  get #timeoutMs(): number {
    return this.#options.timeoutMs ?? 60_000;
  }

  /** The subject of a sentence. */
  #place(): string {
    const { host, origin } = this.#options.endpoint;
    return `The control plane's REST side at ${host} (${origin})`;
  }
}

/** A caller's signal and a time limit as one signal. */
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

  /** The time was up. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Throws the reason of the caller's signal, if it was aborted. */
  throwIfAborted(): void {
    this.#callers?.throwIfAborted();
  }

  /** Lifts the time limit; the caller's signal still counts. */
  end(): void {
    clearTimeout(this.#timer);
  }
}

function nameOf({ method, path }: Pick<RestRequest, "method" | "path">): string {
  return `${method} ${path.replace(/\?.*$/, "")}`;
}

/** fetch says "fetch failed", and why only in the cause. */
function rootMessage(error: unknown): string {
  let item = error;
  while (item instanceof Error && item.cause instanceof Error) item = item.cause;
  return item instanceof Error ? item.message : String(item);
}
