import { errorCode } from "../../build-context/file-failures.ts";
import { FalServerlessError } from "../../errors.ts";
import { plainLine } from "../transport/plain-line.ts";
import { detailOf, readText } from "../transport/response-text.ts";
import { Backoff } from "../../processes/backoff.ts";
import { pause, timerMs } from "../../processes/timers.ts";
import type { RestCall, RestRequest } from "../transport/rest.ts";
import { omitUndefined } from "../../settings/defined-fields.ts";

/** Options of an {@link UploadFailure}. */
export interface UploadFailureOptions extends ErrorOptions {
  /** The HTTP status of the store; undefined without a response. */
  readonly status?: number;
  /** The connection or the store failed temporarily, so that a later sync may continue the upload. Default false. */
  readonly isRetryable?: boolean;
}

/** The error for a failed request to the store: `UPLOAD_FAILED`. */
export class UploadFailure extends FalServerlessError {
  readonly status: number | undefined;
  readonly isRetryable: boolean;

  constructor(message: string, options: UploadFailureOptions = {}) {
    super("UPLOAD_FAILED", message, options);
    this.status = options.status;
    this.isRetryable = options.isRetryable ?? false;
  }
}

/** Retries and timeouts of requests to the store. */
export interface StoreRetryOptions {
  /** Maximum number of attempts. Default 3. */
  readonly attempts?: number | undefined;
  /** The wait before the second attempt, in milliseconds; it doubles with each further one. Default 1000. */
  readonly backoffMs?: number | undefined;
  /** Maximum time in which a request transfers no data, in milliseconds. Default 120,000. */
  readonly stallTimeoutMs?: number | undefined;
}

/** One attempt of a request. */
export interface Attempt {
  readonly request: Omit<RestRequest, "signal">;
  /** The error that ended the request's body early. */
  readonly failure?: FalServerlessError | undefined;
}

/** The purpose of a request: messages start with `what`, as in "Uploading a.txt failed: …". */
interface Purpose {
  readonly what: string;
  readonly signal: AbortSignal;
}

const RATE_LIMIT_MS = 2000;
/** Maximum `Retry-After` of a server, in milliseconds. A longer one ends the request with an error. */
const MAX_RETRY_AFTER_MS = 120_000;
/** Codes of errors for a connection that was closed during a request. */
const BROKEN = new Set(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"]);
const MAX_ANSWER_BYTES = 64 * 1024 ** 2;

/**
 * Sends requests to the file store. Repeats them after 429, at the time that the server sets, and with exponential
 * back-off after 5xx and a closed connection. Other errors are final.
 */
export class StoreRequests {
  readonly #rest: RestCall;
  readonly #attempts: number;
  readonly #backoffMs: number;
  readonly #stallTimeoutMs: number;

  constructor(
    rest: RestCall,
    { attempts = 3, backoffMs = 1000, stallTimeoutMs = 120_000 }: StoreRetryOptions = {},
  ) {
    this.#rest = rest;
    this.#attempts = attempts;
    this.#backoffMs = backoffMs;
    this.#stallTimeoutMs = stallTimeoutMs;
  }

  /** Posts a JSON body, or none, and resolves with the JSON of the response. */
  async post(path: string, body: unknown, purpose: Purpose): Promise<unknown> {
    const request = {
      method: "POST",
      path,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    } as const;
    return this.send(() => ({ request }), purpose);
  }

  /**
   * Sends a request and resolves with the JSON of the response.
   * @param start creates the request of each attempt; it calls `onBytes` whenever it sends data, or the request times out
   * @throws UploadFailure with the server's `detail`, or with the error of the connection
   */
  async send(start: (onBytes: () => void) => Attempt, { what, signal }: Purpose): Promise<unknown> {
    const backoff = new Backoff({ firstMs: this.#backoffMs });
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#try(start, signal);
      if ("value" in outcome) return outcome.value;
      const { reason, status, isRetryable, cause, retryAfterMs } = outcome;
      const backoffMs = backoff.next();
      const waitMs = retryAfterMs ?? backoffMs;
      if (!isRetryable || attempt >= this.#attempts || waitMs > MAX_RETRY_AFTER_MS) {
        const tries = isRetryable && attempt > 1 ? ` (${attempt} tries)` : "";
        throw new UploadFailure(`${what} failed: ${reason}${tries}`, {
          isRetryable,
          ...omitUndefined({ status, cause }),
        });
      }
      await pause(waitMs, signal);
    }
  }

  async #try(start: (onBytes: () => void) => Attempt, signal: AbortSignal): Promise<Outcome> {
    signal.throwIfAborted();
    using watch = new StallWatch(this.#stallTimeoutMs, signal);
    const attempt = start(() => watch.touch());
    try {
      const response = await this.#rest({ ...attempt.request, signal: watch.signal });
      const { text, isTooLong, failure } = await readText(response, MAX_ANSWER_BYTES, () => watch.touch());
      if (failure !== undefined) throw failure;
      if (isTooLong) throw new UploadFailure("The answer of the file store is longer than 64 MiB.");
      if (response.ok) return { value: parsed(text) };
      return refusal(response, text);
    } catch (error) {
      signal.throwIfAborted();
      if (attempt.failure !== undefined) throw attempt.failure;
      if (watch.isStalled) {
        const seconds = this.#stallTimeoutMs / 1000;
        return { isRetryable: true, reason: `no data was transferred for ${seconds} s.`, cause: error };
      }
      return brokenConnection(error);
    }
  }
}

type Outcome = { readonly value: unknown } | Fault;

interface Fault {
  readonly reason: string;
  readonly isRetryable: boolean;
  readonly status?: number;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

function refusal(response: Response, text: string): Fault {
  const { status } = response;
  const reason = `${shortDetail(text) ?? (plainLine(response.statusText) || "no reason given")} (HTTP ${status}).`;
  if (status === 429) {
    const retryAfterMs = retryAfter(response.headers.get("retry-after")) ?? RATE_LIMIT_MS;
    const seconds = Math.ceil(retryAfterMs / 1000);
    const advice = retryAfterMs > MAX_RETRY_AFTER_MS ? ` Try again in ${seconds} s.` : "";
    return { reason: `${reason}${advice}`, status, isRetryable: true, retryAfterMs };
  }
  return { reason, status, isRetryable: status >= 500 };
}

/** The reason that the store gives, shortened; undefined for none and for an HTML page. */
function shortDetail(text: string): string | undefined {
  const words = plainLine(detailOf(text)).replace(/\.$/, "");
  if (words === "" || words.startsWith("<")) return undefined;
  return words.length > 300 ? `${words.slice(0, 300)}…` : words;
}

/** A `Retry-After` in milliseconds: seconds, or a date. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // the caller reports what it expected
  }
}

function brokenConnection(error: unknown): Fault {
  if (error instanceof FalServerlessError) {
    // Rest has already translated the error. Only an unreachable host is worth a retry.
    if (error.code !== "PLATFORM_UNREACHABLE") throw error;
    return { reason: error.message, isRetryable: true, cause: error };
  }
  let cause = error;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  const reason = BROKEN.has(errorCode(cause) ?? "") ? "the connection broke" : message.replace(/\.$/, "");
  return { reason: `${reason}.`, isRetryable: true, cause: error };
}

/** A signal that also aborts after a time without data. */
class StallWatch {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  readonly #stop = (): void => this.#controller.abort(this.#outer.reason);
  isStalled = false;

  constructor(timeoutMs: number, outer: AbortSignal) {
    this.#outer = outer;
    if (outer.aborted) this.#stop();
    outer.addEventListener("abort", this.#stop, { once: true });
    this.#timer = setTimeout(() => {
      this.isStalled = true;
      this.#controller.abort(new Error("stalled"));
    }, timerMs(timeoutMs));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  touch(): void {
    this.#timer.refresh();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener("abort", this.#stop);
  }
}
