import { errorCode } from "../../build-context/file-failures.ts";
import { FalServerlessError } from "../../errors.ts";
import { plainLine } from "../transport/plain-line.ts";
import { detailOf, readText } from "../transport/response-text.ts";
import { Backoff } from "../../processes/backoff.ts";
import { pause, timerMs } from "../../processes/timers.ts";
import type { RestCall, RestRequest } from "../transport/rest.ts";

/** What an {@link UploadFailure} says beside its message. */
export interface UploadFailureOptions extends ErrorOptions {
  /** The HTTP status the store answered with; absent when it gave no answer, or when the fault is on this side. */
  readonly status?: number;
  /** The connection or the store failed, not the files: another try may go on where this one ended. Default false. */
  readonly isPassing?: boolean;
}

/** Files of a deployment could not be read or uploaded: `UPLOAD_FAILED`. The message names the file. */
export class UploadFailure extends FalServerlessError {
  readonly status: number | undefined;
  readonly isPassing: boolean;

  constructor(message: string, options: UploadFailureOptions = {}) {
    super("UPLOAD_FAILED", message, options);
    this.status = options.status;
    this.isPassing = options.isPassing ?? false;
  }
}

/** How requests to the store are tried, and when they are given up. */
export interface StoreRetryOptions {
  /** How often a request is tried in all. Default 3. */
  readonly attempts?: number | undefined;
  /** The wait before the second try, in milliseconds; it doubles with each further one. Default 1000. */
  readonly backoffMs?: number | undefined;
  /** How long a request may go without a byte sent and without an answer, in milliseconds. Default 120,000. */
  readonly stallTimeoutMs?: number | undefined;
}

/** One try of a request. */
export interface Attempt {
  readonly request: Omit<RestRequest, "signal">;
  /** Why the request's own body broke off, once it has. */
  readonly failure?: FalServerlessError | undefined;
}

/** A request's purpose: `message` begins with it, as in "Uploading a.txt failed: …". */
interface Purpose {
  readonly what: string;
  readonly signal: AbortSignal;
}

const RATE_LIMIT_MS = 2000;
/** Longer than this nobody sits before a deploy that does nothing. */
const MAX_RETRY_AFTER_MS = 120_000;
/** What a connection is called that ends while it is used, from one side or the other. */
const BROKEN = new Set(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"]);
const MAX_ANSWER_BYTES = 64 * 1024 ** 2;

/**
 * Requests to the file store: tried again after 429, when the server says; after 5xx and a broken connection, after a
 * wait that doubles; never after another 4xx.
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

  /** Posts a JSON body, or none, and resolves with the JSON of the answer. */
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
   * Sends a request, made anew for each try, and resolves with the JSON of the answer.
   *
   * @param start makes a try; `onBytes` is to be called whenever bytes go out, or it counts as stalled.
   * @throws UploadFailure with the server's `detail`, or with what became of the connection.
   */
  async send(start: (onBytes: () => void) => Attempt, { what, signal }: Purpose): Promise<unknown> {
    const backoff = new Backoff({ firstMs: this.#backoffMs });
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#try(start, signal);
      if ("value" in outcome) return outcome.value;
      const { reason, status, isPassing, cause, retryAfterMs } = outcome;
      const backoffMs = backoff.next();
      const waitMs = retryAfterMs ?? backoffMs;
      if (!isPassing || attempt >= this.#attempts || waitMs > MAX_RETRY_AFTER_MS) {
        const tries = isPassing && attempt > 1 ? ` (${attempt} tries)` : "";
        throw new UploadFailure(`${what} failed: ${reason}${tries}`, {
          isPassing,
          ...(status === undefined ? {} : { status }),
          ...(cause === undefined ? {} : { cause }),
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
      if (isTooLong) throw new UploadFailure("The answer of the file store has no end.");
      if (response.ok) return { value: parsed(text) };
      return refusal(response, text);
    } catch (error) {
      signal.throwIfAborted();
      if (attempt.failure !== undefined) throw attempt.failure;
      if (watch.isStalled) {
        const seconds = this.#stallTimeoutMs / 1000;
        return { isPassing: true, reason: `nothing moved for ${seconds} s.`, cause: error };
      }
      return brokenConnection(error);
    }
  }
}

type Outcome = { readonly value: unknown } | Fault;

interface Fault {
  readonly reason: string;
  readonly isPassing: boolean;
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
    const told = retryAfterMs > MAX_RETRY_AFTER_MS ? ` Try again in ${seconds} s.` : "";
    return { reason: `${reason}${told}`, status, isPassing: true, retryAfterMs };
  }
  return { reason, status, isPassing: status >= 500 };
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
    return undefined; // whoever asked says what was expected
  }
}

function brokenConnection(error: unknown): Fault {
  if (error instanceof FalServerlessError) {
    // The one who sends has already said what it is, and only an unreachable host may come back.
    if (error.code !== "PLATFORM_UNREACHABLE") throw error;
    return { reason: error.message, isPassing: true, cause: error };
  }
  let cause = error;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  const reason = BROKEN.has(errorCode(cause) ?? "") ? "the connection broke" : message.replace(/\.$/, "");
  return { reason: `${reason}.`, isPassing: true, cause: error };
}

/** A signal that also aborts when nothing has moved for a while. */
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
