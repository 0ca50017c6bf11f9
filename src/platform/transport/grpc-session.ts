import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
} from "node:http2";
import { timerMs } from "../../processes/timers.ts";

/** How a connection is opened and kept. */
export interface GrpcSessionOptions {
  /** How long until the other side has to have spoken HTTP/2, in milliseconds. Default 20,000. */
  connectTimeoutMs?: number | undefined;
  /** How often it is asked whether it is still there, in milliseconds. Default 30,000. */
  pingIntervalMs?: number | undefined;
  /** How long it may take to say so, in milliseconds. Default 600,000: servers stall while they build. */
  pingTimeoutMs?: number | undefined;
}

/** Until when an unanswered ping is no reason to mistrust the connection with another call, in milliseconds. */
const TRUSTED_MS = 20_000;

/** How often a connection that closes at once is opened again for one call. */
const MAX_CONNECTIONS = 3;

/** The connection broke, or was never one. `code` is that of a system error, where one fits. */
export class SessionError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SessionError";
    this.code = code;
  }
}

/** What requests failed with of which nothing was sent. */
const UNSENT = new WeakSet<Error>();

/** Whether a call failed before anything of it was sent, or was turned away unread: the other side can't have done it. */
export function wasNeverSent(error: unknown): boolean {
  const seen = new Set<unknown>();
  for (let item = error; item instanceof Error && !seen.has(item); item = item.cause) {
    if (UNSENT.has(item) || item.message.includes("NGHTTP2_REFUSED_STREAM")) return true;
    seen.add(item);
  }
  return false;
}

/**
 * The HTTP/2 connection to one host, opened when it is needed and again when it broke. Takes the place of
 * connect-node's own manager, with which an answer in another protocol ends the process, and a silent one is waited for
 * without end.
 */
export class GrpcSession implements Disposable {
  /** The scheme, name and port it connects to. */
  readonly authority: string;
  readonly #options: Required<{ [K in keyof GrpcSessionOptions]: number }>;
  readonly #open = new Set<ClientHttp2Session>();
  #current: Promise<LiveSession> | undefined;
  #isClosed = false;

  constructor(url: string, options: GrpcSessionOptions = {}) {
    this.authority = url;
    this.#options = {
      connectTimeoutMs: timerMs(options.connectTimeoutMs ?? 20_000),
      pingIntervalMs: timerMs(options.pingIntervalMs ?? 30_000),
      pingTimeoutMs: timerMs(options.pingTimeoutMs ?? 600_000),
    };
  }

  /** Sends the head of a request. */
  async request(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    options: object,
  ): Promise<ClientHttp2Stream> {
    try {
      const live = await this.#live();
      return live.request({ ...headers, ":method": method, ":path": path }, options);
    } catch (error) {
      if (error instanceof Error) UNSENT.add(error);
      throw error;
    }
  }

  /** Part of the interface; pings are sent whether or not something comes. */
  notifyResponseByteRead(): void {}

  /** Closes the connection, and ends what runs on it. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const session of this.#open) session.destroy();
  }

  async #live(): Promise<LiveSession> {
    for (let connections = 0; connections < MAX_CONNECTIONS;) {
      if (this.#isClosed) throw new SessionError("ERR_CLOSED", "the connection was closed");
      if (this.#current === undefined) connections += 1;
      const pending = (this.#current ??= this.#connect());
      const live = await pending.catch((error: unknown) => {
        this.#forget(pending);
        throw error;
      });
      if (live.isTrusted()) return live;
      this.#forget(pending);
    }
    throw new SessionError("ECONNRESET", "the connection is closed as soon as it is open");
  }

  /** Several calls may have waited for the one that is no good; a later one stays. */
  #forget(pending: Promise<LiveSession>): void {
    if (this.#current === pending) this.#current = undefined;
  }

  #connect(): Promise<LiveSession> {
    const { promise, resolve, reject } = withResolvers<LiveSession>();
    const session = connect(this.authority, {
      // A single message may be large: a function's bundle, or a long list.
      maxSessionMemory: 1_000,
      settings: { initialWindowSize: 2 ** 20, enablePush: false },
    });
    this.#open.add(session);
    const { connectTimeoutMs, pingIntervalMs, pingTimeoutMs } = this.#options;
    const late = setTimeout(() => {
      session.destroy(new SessionError("ETIMEDOUT", `no HTTP/2 within ${connectTimeoutMs / 1000} s`));
    }, connectTimeoutMs);
    // Stays for good: an error without a listener would end the process.
    session.on("error", reject);
    session.once("close", () => {
      clearTimeout(late);
      this.#open.delete(session);
      reject(new SessionError("ECONNRESET", "the connection was closed"));
    });
    // The first that the other side says, when it speaks HTTP/2.
    session.once("remoteSettings", () => {
      clearTimeout(late);
      resolve(new LiveSession(session, pingIntervalMs, pingTimeoutMs));
    });
    return promise;
  }
}

/** A connection over which HTTP/2 was spoken. */
class LiveSession {
  readonly session: ClientHttp2Session;
  #failure: unknown;
  #isGoing = false;
  #pingedAt: number | undefined;
  #streams = 0;

  constructor(session: ClientHttp2Session, pingIntervalMs: number, pingTimeoutMs: number) {
    this.session = session;
    session.unref();
    session.on("error", (error) => (this.#failure = error));
    session.once("goaway", () => (this.#isGoing = true));
    const pings = setInterval(() => this.#ping(pingTimeoutMs), pingIntervalMs).unref();
    session.once("close", () => clearInterval(pings));
  }

  /** Another call may use it. */
  isTrusted(): boolean {
    const { closed, destroyed } = this.session;
    const silentMs = this.#pingedAt === undefined ? 0 : performance.now() - this.#pingedAt;
    return !closed && !destroyed && !this.#isGoing && silentMs < TRUSTED_MS;
  }

  request(headers: OutgoingHttpHeaders, options: object): ClientHttp2Stream {
    const stream = this.session.request(headers, options);
    let isAnswered = false;
    // The process stays for as long as a call runs, and no longer.
    if (++this.#streams === 1) this.session.ref();
    stream.once("response", () => (isAnswered = true));
    stream.once("close", () => {
      if (--this.#streams === 0 && !this.session.destroyed) this.session.unref();
      // Without it, a call whose stream was closed in good order before its answer would wait for ever.
      if (!isAnswered) {
        stream.emit("error", new SessionError("ECONNRESET", "no answer came", { cause: this.#failure }));
      }
    });
    return stream;
  }

  #ping(timeoutMs: number): void {
    // A session that is destroyed but not closed yet takes no ping.
    if (this.#pingedAt !== undefined || this.session.destroyed) return;
    this.#pingedAt = performance.now();
    const late = setTimeout(() => {
      this.session.destroy(new SessionError("ETIMEDOUT", `no sign of life within ${timeoutMs / 1000} s`));
    }, timeoutMs).unref();
    this.session.ping(() => {
      clearTimeout(late);
      this.#pingedAt = undefined;
    });
  }
}

function withResolvers<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (reason: unknown) => void;
} {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((res, rej) => ([resolve, reject] = [res, rej]));
  return { promise, resolve, reject };
}
