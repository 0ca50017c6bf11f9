import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { type Cookies, parseCookies } from "../cookies.ts";
import type { MediaCall } from "../routes/media-runtime.ts";
import { parseLifecyclePreference, type RequestContext } from "../context.ts";

/** The parts of the upgrade request that a session keeps. */
export interface UpgradeRequest {
  readonly headers: Record<string, string | string[] | undefined>;
  readonly query: Readonly<Record<string, string | string[] | undefined>>;
  /** The identified caller, if the app identifies callers. */
  readonly caller?: unknown;
}

/** The context of a websocket. Its headers and query are those of the upgrade request. */
export class SessionContext implements RequestContext {
  readonly requestId: string;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly query: Readonly<Record<string, string | string[] | undefined>>;
  readonly params: Readonly<Record<string, string>> = {};
  readonly caller: unknown;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** The files of the session, on routes with schemas of files. */
  files: MediaCall | undefined;
  #cookies: Cookies | undefined;

  constructor(request: UpgradeRequest, signal: AbortSignal, rootLog: Logger) {
    this.headers = request.headers;
    this.query = request.query;
    this.caller = request.caller;
    this.requestId = this.#header("x-fal-request-id") ?? randomUUID();
    this.signal = signal;
    this.log = rootLog.child({ requestId: this.requestId });
  }

  get cookies(): Cookies {
    return (this.#cookies ??= parseCookies(this.#header("cookie")));
  }

  get endpoint(): string | undefined {
    return this.#header("x-fal-endpoint");
  }

  get lifecyclePreference(): Readonly<Record<string, unknown>> | null {
    return parseLifecyclePreference(this.#header("x-fal-object-lifecycle-preference"));
  }

  status(): never {
    throw new Error("A websocket has no response status; send a message instead, or throw an error.");
  }

  setHeader(): never {
    throw new Error("A websocket has no response headers; send a message instead.");
  }

  #header(name: string): string | undefined {
    const value = this.headers[name];
    return typeof value === "string" ? value : value?.[0];
  }
}
