import type { Logger } from "pino";
import { assertAnswerHeader, assertAnswerStatus, type HeaderValue } from "../answer-header.ts";
import { type Cookies, parseCookies } from "../cookies.ts";
import type { RequestContext } from "../context.ts";
import type { MediaCall } from "../routes/media-runtime.ts";
import { CDN_TOKEN, type WireContext, type WireEffects } from "./protocol.ts";
import { decodeThrown, type WireThrown } from "../processes/thrown-codec.ts";

/** An abort signal that is created on first access. */
export class LazySignal {
  #controller: AbortController | undefined;
  #reason: WireThrown | undefined;

  constructor(aborted: WireThrown | undefined) {
    this.#reason = aborted;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(decodeThrown(this.#reason));
    }
    return this.#controller.signal;
  }

  /** Aborts the signal. Later reasons are ignored. */
  abort(reason: WireThrown): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(decodeThrown(reason));
  }
}

/**
 * The context of a request in a worker. It has the data of the main process from the start of the call, and records the
 * handler's changes, which are sent back.
 */
export class RemoteContext implements RequestContext {
  readonly requestId: string;
  readonly endpoint: string | undefined;
  readonly lifecyclePreference: Readonly<Record<string, unknown>> | null;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly query: Readonly<Record<string, string | string[] | undefined>>;
  readonly params: Readonly<Record<string, string>>;
  readonly caller: unknown;
  /** Set on routes with files. */
  files: Pick<MediaCall, "reserve"> | undefined;
  readonly #rootLog: () => Logger;
  readonly #signal: LazySignal;
  readonly #cdnToken: string | string[] | undefined;
  #log: Logger | undefined;
  #cookies: Cookies | undefined;
  #isHeadSent = false;
  #answerHeaders: (readonly [string, string | readonly string[]])[] | undefined;
  #answerStatus: number | undefined;

  constructor(wire: WireContext, rootLog: () => Logger) {
    this.requestId = wire.requestId;
    this.endpoint = wire.endpoint;
    this.lifecyclePreference = wire.lifecyclePreference;
    this.headers = wire.headers;
    this.query = wire.query;
    this.params = wire.params;
    this.caller = wire.caller;
    this.#rootLog = rootLog;
    this.#signal = new LazySignal(wire.aborted);
    this.#cdnToken = wire.headers[CDN_TOKEN];
  }

  get cookies(): Cookies {
    const { cookie } = this.headers;
    return (this.#cookies ??= parseCookies(typeof cookie === "string" ? cookie : cookie?.[0]));
  }

  get signal(): AbortSignal {
    return this.#signal.signal;
  }

  get log(): Logger {
    return (this.#log ??= this.#rootLog().child({ requestId: this.requestId }));
  }

  status(code: number): void {
    assertAnswerStatus(code);
    if (this.#isHeadSent) return this.#warn("the status");
    this.#answerStatus = code;
  }

  setHeader(name: string, value: HeaderValue): void {
    assertAnswerHeader(name, value);
    if (this.#isHeadSent) return this.#warn(`the header ${name}`);
    // Node accepts numbers as header values. They are sent as strings, which the main process expects.
    const sent = Array.isArray(value) ? [...(value as readonly string[])] : String(value as string | number);
    (this.#answerHeaders ??= []).push([name, sent]);
  }

  /** Records that the first item of a stream is sent, and with it the head of the answer. */
  sendHead(): void {
    this.#isHeadSent = true;
  }

  #warn(what: string): void {
    this.log.warn(`${what} is not sent: the answer's head has already been sent`);
  }

  /** Aborts the handler's signal. */
  abort(reason: WireThrown): void {
    this.#signal.abort(reason);
  }

  /** The changes to send to the main process; undefined if there are none. */
  effects(item: number): WireEffects | undefined {
    const token = this.headers[CDN_TOKEN];
    const cdnToken = token === this.#cdnToken || typeof token !== "string" ? undefined : token;
    const status = this.#answerStatus;
    if (this.#answerHeaders === undefined && cdnToken === undefined && status === undefined) return undefined;
    return {
      item,
      headers: this.#answerHeaders ?? [],
      ...(cdnToken === undefined ? {} : { cdnToken }),
      ...(status === undefined ? {} : { status }),
    };
  }
}
