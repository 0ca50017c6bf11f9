import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
} from "node:http2";
import { timerMs } from "../../processes/timers.ts";

/** Timeouts of a connection. */
export interface GrpcSessionOptions {
  /** Maximum time until the server speaks HTTP/2, in milliseconds. Default 20,000. */
  connectTimeoutMs?: number | undefined;
  /** Interval of pings, in milliseconds. Default 30,000. */
  pingIntervalMs?: number | undefined;
  /** Maximum time until a ping is answered, in milliseconds. Default 600,000: servers stall while they build. */
  pingTimeoutMs?: number | undefined;
  /** The authority that signs the server's certificate, in PEM. Default: the ones that Node trusts. */
  authority?: string | undefined;
}

/** Time without an answer to a ping after which new calls use another connection, in milliseconds. */
const TRUSTED_MS = 20_000;

/** Maximum number of connections that one call opens, if each closes immediately. */
const MAX_CONNECTIONS = 3;

/** The connection failed. `code` is the code of a similar system error. */
class SessionError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SessionError";
    this.code = code;
  }
}

/** Errors of requests of which nothing was sent. */
const UNSENT = new WeakSet<Error>();

/** Whether a call failed before it was sent, or was rejected unread: the server can't have executed it. */
export function wasNeverSent(error: unknown): boolean {
  const seen = new Set<unknown>();
  for (let item = error; item instanceof Error && !seen.has(item); item = item.cause) {
    if (UNSENT.has(item) || item.message.includes("NGHTTP2_REFUSED_STREAM")) return true;
    seen.add(item);
  }
  return false;
}

/**
 * The HTTP/2 connection to one host, opened when it is needed and reopened after a failure. Replaces connect-node's own
 * manager, in which a response in another protocol ends the process, and which has no timeout for a silent server.
 */
export class GrpcSession implements Disposable {
  /** The scheme, name and port that it connects to. */
  readonly authority: string;
  readonly #options: Required<{ [K in Exclude<keyof GrpcSessionOptions, "authority">]: number }>;
  readonly #tls: { readonly ca?: string };
  readonly #open = new Set<ClientHttp2Session>();
  #current: Promise<LiveSession> | undefined;
  #isClosed = false;

  constructor(url: string, options: GrpcSessionOptions = {}) {
    this.authority = url;
    this.#tls = options.authority === undefined ? {} : { ca: options.authority };
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

  /** Required by the interface. Pings are sent even while data arrives. */
  notifyResponseByteRead(): void {}

  /** Closes the connection and ends its calls. */
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

  /** Discards a failed connection, unless another call has already replaced it. */
  #forget(pending: Promise<LiveSession>): void {
    if (this.#current === pending) this.#current = undefined;
  }

  #connect(): Promise<LiveSession> {
    const { promise, resolve, reject } = withResolvers<LiveSession>();
    const session = connect(this.authority, {
      ...this.#tls,
      // A single message may be large, such as the bundle of a function.
      maxSessionMemory: 1_000,
      settings: { initialWindowSize: 2 ** 20, enablePush: false },
    });
    this.#open.add(session);
    const { connectTimeoutMs, pingIntervalMs, pingTimeoutMs } = this.#options;
    const late = setTimeout(() => {
      session.destroy(new SessionError("ETIMEDOUT", `no HTTP/2 within ${connectTimeoutMs / 1000} s`));
    }, connectTimeoutMs);
    // This listener is never removed, because an error without a listener ends the process.
    session.on("error", reject);
    session.once("close", () => {
      clearTimeout(late);
      this.#open.delete(session);
      reject(new SessionError("ECONNRESET", "the connection was closed"));
    });
    // The first frame of an HTTP/2 server.
    session.once("remoteSettings", () => {
      clearTimeout(late);
      resolve(new LiveSession(session, pingIntervalMs, pingTimeoutMs));
    });
    return promise;
  }
}

/** An open connection to an HTTP/2 server. */
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

  /** Whether a new call may use it. */
  isTrusted(): boolean {
    const { closed, destroyed } = this.session;
    const silentMs = this.#pingedAt === undefined ? 0 : performance.now() - this.#pingedAt;
    return !closed && !destroyed && !this.#isGoing && silentMs < TRUSTED_MS;
  }

  request(headers: OutgoingHttpHeaders, options: object): ClientHttp2Stream {
    const stream = this.session.request(headers, options);
    let isAnswered = false;
    // Only running calls keep the process alive.
    if (++this.#streams === 1) this.session.ref();
    stream.once("response", () => (isAnswered = true));
    stream.once("close", () => {
      if (--this.#streams === 0 && !this.session.destroyed) this.session.unref();
      // Otherwise a call never settles if its stream is closed without an error before the response.
      if (!isAnswered) {
        stream.emit("error", new SessionError("ECONNRESET", "no answer came", { cause: this.#failure }));
      }
    });
    return stream;
  }

  #ping(timeoutMs: number): void {
    // A destroyed session accepts no pings, even before it is closed.
    if (this.#pingedAt !== undefined || this.session.destroyed) return;
    this.#pingedAt = performance.now();
    const late = setTimeout(() => {
      this.session.destroy(new SessionError("ETIMEDOUT", `no answer to a ping within ${timeoutMs / 1000} s`));
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
