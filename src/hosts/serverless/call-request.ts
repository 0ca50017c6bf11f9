import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { pipeline, Readable } from "node:stream";
import { Backoff } from "../../processes/backoff.ts";
import { pause } from "../../processes/timers.ts";
import { FalServerlessError, PlatformError } from "../../errors.ts";
import { plainSentence } from "../../platform/transport/plain-line.ts";
import type { Credentials } from "../../platform/target/credentials.ts";
import type { Endpoint } from "../../platform/target/endpoints.ts";
import { USER_AGENT } from "../../platform/transport/user-agent.ts";
import { AnswerReader, type Answer, type EncodedCall } from "./call-messages.ts";

/**
 * Checks an app's address from a control plane before the key is sent to it: it must use https, unless the connection to
 * the control plane itself is unencrypted.
 * @throws PlatformError if the key must not be sent there
 */
export function checkAppAddress(url: string, { host, isPlaintext }: Endpoint): void {
  const isHttp = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
  if (isHttp && (new URL(url).protocol === "https:" || isPlaintext)) return;
  throw new PlatformError(
    "PLATFORM_REFUSED",
    `The control plane at ${host} returned an address for the function that must not get the key: ` +
      `${isHttp ? new URL(url).origin : "not an http(s) address"}.`,
  );
}

/** A call of an app. */
export interface CallRequest {
  /** For messages. */
  readonly functionName: string;
  readonly url: string;
  readonly credentials: Credentials;
  readonly body: EncodedCall;
  /** Time by which the app must be known at its address and ready, on the clock of `performance.now()`. */
  readonly readyBy: number;
  /** Replaces the error of a broken connection by one with the cause, if the cause is known. */
  readonly explain: (error: Error) => Promise<unknown>;
  /** Ends the call by closing the connection to the app. */
  readonly signal: AbortSignal;
}

/** A response: its status and its body. */
interface Reply {
  readonly status: number;
  /** The kind of an error of the platform itself. */
  readonly errorType: string | undefined;
  readonly body: AnswerReader;
}

/** The first and the longest pause between two attempts, in ms. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 3_000;
/** Statuses of a request that was not processed. */
const NOT_READY: ReadonlySet<number> = new Set([429, 503]);
/** Errors of the platform with such a status after which the function may have begun anyway. */
const MAY_HAVE_BEGUN: ReadonlySet<string> = new Set(["runner_disconnected", "runner_connection_error"]);
/** Maximum time until a new address is known everywhere, in ms. */
const UNKNOWN_MS = 30_000;
/** Errors that occur before a request is sent. */
const NOT_SENT: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH"]);
const KEEP_ALIVE_MS = 30_000;

/**
 * Calls an app, without a time limit for the answer. The call is retried only if it certainly has not been started.
 * @throws FalServerlessError with code RUN_FAILED; PlatformError if the key is rejected; the signal's reason
 */
export async function callApp(call: CallRequest): Promise<Answer> {
  const knownBy = Math.min(call.readyBy, performance.now() + UNKNOWN_MS);
  const backoff = new Backoff({ firstMs: FIRST_PAUSE_MS, lastMs: LAST_PAUSE_MS });
  for (;;) {
    const pauseMs = backoff.next();
    const answer = await post(call).catch(async (error: unknown) => {
      call.signal.throwIfAborted();
      const { code = "" } = error as NodeJS.ErrnoException;
      if (NOT_SENT.has(code)) return error as Error;
      throw await call.explain(brokenOff(call, error));
    });
    const isUnknown = !(answer instanceof Error) && answer.status === 404;
    if (!(answer instanceof Error) && !isUnknown && !isNotReady(answer)) return read(call, answer);
    if (performance.now() + pauseMs > (isUnknown ? knownBy : call.readyBy)) {
      throw answer instanceof Error ? brokenOff(call, answer) : refused(call, answer);
    }
    await pause(pauseMs, call.signal);
  }
}

function isNotReady({ status, errorType }: Reply): boolean {
  return NOT_READY.has(status) && !(errorType !== undefined && MAY_HAVE_BEGUN.has(errorType));
}

/** Sends one request. Not with `fetch`, which waits at most five minutes for a response. */
function post({ url, credentials, body, signal }: CallRequest): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const send = new URL(url).protocol === "http:" ? requestPlain : requestSecure;
    const headers = {
      authorization: credentials.authorization(),
      "user-agent": USER_AGENT,
      "content-type": "application/json",
      "content-length": body.length,
      // A function may have side effects: only its caller can decide to call it again.
      "x-fal-no-retry": "1",
    };
    let isAnswered = false;
    const request = send(url, { method: "POST", headers, signal, agent: false }, (response) => {
      isAnswered = true;
      const reader = new AnswerReader();
      const end = (): void => {
        const errorType = response.headers["x-fal-error-type"];
        resolve({
          status: response.statusCode ?? 0,
          errorType: typeof errorType === "string" ? errorType : undefined,
          body: reader,
        });
        // A server that responds early does not read the rest of the request.
        request.destroy();
      };
      response.on("data", (chunk: Buffer) => {
        reader.push(chunk);
        if (reader.isOver) end();
      });
      response.on("error", reject);
      response.once("end", () => {
        if (response.complete) end();
        else reject(new Error("the answer is incomplete"));
      });
    });
    request.once("socket", (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
    pipeline(Readable.from(body.pieces()), request, () => {});
    request.on("error", (error) => {
      if (!isAnswered) reject(error);
    });
    // Switching protocols (101) closes the request without an error.
    request.once("close", () => {
      if (!isAnswered) reject(new Error("the connection was closed without an answer"));
    });
  });
}

async function read(call: CallRequest, reply: Reply): Promise<Answer> {
  if (reply.status >= 500) throw await call.explain(refused(call, reply));
  if (reply.status !== 200) throw refused(call, reply);
  const answer = reply.body.answer();
  if (answer !== undefined) return answer;
  throw failed(
    call,
    "was answered with something that is not a function's result; is it the function that answers?",
  );
}

function refused(call: CallRequest, { status, body }: Reply): Error {
  const details = plainSentence(detailOf(body.text()), call.credentials);
  const where = new URL(call.url).host;
  if (status === 401 || status === 403) {
    const code = status === 401 ? "CREDENTIALS_INVALID" : "PLATFORM_REFUSED";
    const message = `${where} does not let ${call.credentials.origin} call ${call.functionName}. ${details}`;
    return new PlatformError(code, message.trim(), { status: `HTTP ${status}` });
  }
  const isTooLarge = status === 413 ? " Its arguments are too large." : "";
  return failed(call, `was answered with HTTP ${status} by ${where}.${isTooLarge} ${details}`.trim());
}

function brokenOff(call: CallRequest, cause: unknown): FalServerlessError {
  const { message } = cause as Error;
  return failed(call, `broke off: ${plainSentence(message, call.credentials)}`, cause);
}

function failed({ functionName }: CallRequest, what: string, cause?: unknown): FalServerlessError {
  return new FalServerlessError("RUN_FAILED", `The call of ${functionName} ${what}`, { cause });
}

/** The reason in the body of a failure: `detail` in fal's format, otherwise the text. */
function detailOf(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    return typeof detail === "string" ? detail : JSON.stringify(detail ?? "");
  } catch {
    return text.slice(0, 300);
  }
}
