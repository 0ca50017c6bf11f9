import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import { FalServerlessError, PlatformError } from "../../errors.ts";
import { plainSentence } from "../../platform/plain-line.ts";
import type { Credentials } from "../../platform/credentials.ts";
import type { CallBody } from "./server/call-protocol.ts";

/** Where and how an app is called. */
export interface CallRequest {
  /** For messages. */
  readonly functionName: string;
  readonly url: string;
  readonly credentials: Credentials;
  readonly body: CallBody;
  /** Until then the app may be unknown at its address, or not be ready: by the clock of `performance.now()`. */
  readonly readyBy: number;
  /** Ends the call; the app is told that its caller has left. */
  readonly signal: AbortSignal;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** How often one asks again, in milliseconds: at first, and later. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 3_000;
/** Nothing was done by whoever answers so. */
const NOT_READY: ReadonlySet<number> = new Set([429, 503]);
/** An address that was told a moment ago may not be known everywhere for so long, in milliseconds. */
const UNKNOWN_MS = 30_000;
/** No request has gone out when these happen. */
const NOT_SENT: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH"]);
const KEEP_ALIVE_MS = 30_000;

/**
 * Calls an app, and waits for as long as it takes. The call is sent again only while nobody can have begun it.
 * @returns the answer's JSON
 * @throws FalServerlessError with code RUN_FAILED; PlatformError when the key is refused; the signal's reason
 */
export async function callApp(call: CallRequest): Promise<unknown> {
  const text = JSON.stringify(call.body);
  const knownBy = Math.min(call.readyBy, performance.now() + UNKNOWN_MS);
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS)) {
    const answer = await post(call, text).catch((error: unknown) => {
      call.signal.throwIfAborted();
      const { code = "" } = error as NodeJS.ErrnoException;
      if (NOT_SENT.has(code)) return error as Error;
      throw brokenOff(call, error);
    });
    const isUnknown = !(answer instanceof Error) && answer.status === 404;
    const isThere = !(answer instanceof Error) && !isUnknown && !NOT_READY.has(answer.status);
    if (isThere) return read(call, answer);
    if (performance.now() + pauseMs > (isUnknown ? knownBy : call.readyBy)) {
      throw answer instanceof Error ? brokenOff(call, answer) : refused(call, answer);
    }
    await delay(pauseMs, undefined, { signal: call.signal }).catch(() => call.signal.throwIfAborted());
  }
}

/** One request. `fetch` gives up on an answer after five minutes. */
function post({ url, credentials, signal }: CallRequest, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = new URL(url).protocol === "http:" ? requestPlain : requestSecure;
    const headers = {
      authorization: credentials.authorization(),
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      // A function may do something: whether it is called again is for its caller to say.
      "x-fal-no-retry": "1",
    };
    const request = send(url, { method: "POST", headers, signal, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () => {
        if (!response.complete) return reject(new Error("the answer is incomplete"));
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
      });
    });
    request.once("error", reject);
    request.once("socket", (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
    request.end(body);
  });
}

function read(call: CallRequest, answer: Answer): unknown {
  if (answer.status !== 200) throw refused(call, answer);
  try {
    return JSON.parse(answer.text);
  } catch (error) {
    throw failed(
      call,
      "was answered with something that is no JSON; is it the function that answers?",
      error,
    );
  }
}

function refused(call: CallRequest, { status, text }: Answer): Error {
  const details = plainSentence(detailOf(text), call.credentials);
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

/** What the body of a failure says: the `detail` of one in fal's form, else its text. */
function detailOf(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    return typeof detail === "string" ? detail : JSON.stringify(detail ?? "");
  } catch {
    return text.slice(0, 300);
  }
}
