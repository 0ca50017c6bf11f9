import type { IncomingMessage } from "node:http";
import type { Dispatcher, Pool } from "undici";
import { answerHeaders } from "./forwarded-headers.ts";
import type { Departure } from "./departure.ts";
import { GatewayError } from "./gateway-error.ts";

/** A request as a runner gets it. */
export interface ForwardedRequest {
  /** `http://127.0.0.1:41234`. */
  readonly address: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string | string[]>;
  readonly body: Buffer | IncomingMessage | null;
  /** Time for the whole answer, in seconds. */
  readonly timeoutSeconds: number;
  /** The platform's id, which the caller gets, even if the app has one of its own. */
  readonly requestId: string;
}

/** Where an answer goes: to a caller, or into memory. */
export interface AnswerTarget {
  writeHead(status: number, headers: Record<string, string | string[]>): unknown;
  flushHeaders(): void;
  /** False: wait for "drain". */
  write(chunk: Buffer): boolean;
  end(chunk?: Buffer): unknown;
  once(event: "drain", listener: () => void): unknown;
}

/** How a forwarded request ended. */
export type ForwardOutcome =
  | { readonly kind: "answered"; readonly status: number }
  | { readonly kind: "failed"; readonly error: GatewayError };

/** A body up to this size is read before it is forwarded, in one piece. In bytes. */
const SMALL_BODY = 64 * 1024;
/** Errors of a connection that was never made: the runner has got nothing. */
const NEVER_SENT: ReadonlySet<string> = new Set(["ECONNREFUSED", "UND_ERR_CONNECT_TIMEOUT", "ENOENT"]);

/** Forwards requests to runners over connections that are kept open. */
export class RequestProxy {
  readonly #pools = new Map<string, Pool>();

  /** The body of a request: read if it is small, otherwise the stream itself. @throws GatewayError if the caller leaves */
  async bodyOf(request: IncomingMessage): Promise<Buffer | IncomingMessage | null> {
    const length = request.headers["content-length"];
    if (length === undefined && request.headers["transfer-encoding"] === undefined) return null;
    if (length === undefined || Number(length) > SMALL_BODY) return request;
    return readSmall(request);
  }

  /** Sends a request to a runner and its answer to the caller, piece by piece, as fast as the slower side reads. */
  async forward(
    request: ForwardedRequest,
    response: AnswerTarget,
    departure: Pick<Departure, "reason" | "onLeft">,
    onHints: (hints: ReadonlySet<string> | undefined) => void,
  ): Promise<ForwardOutcome> {
    const pool = await this.#pool(request.address);
    return new Promise((resolve, reject) => {
      const handler = new AnswerHandler(request, response, departure, onHints, resolve);
      const { path, headers, body } = request;
      try {
        pool.dispatch({ path, method: request.method as Dispatcher.HttpMethod, headers, body }, handler);
      } catch (error) {
        reject(
          new GatewayError("bad_request", `The request can't be forwarded: ${(error as Error).message}.`),
        );
      }
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }

  async #pool(address: string): Promise<Pool> {
    const known = this.#pools.get(address);
    if (known !== undefined) return known;
    const { Pool } = await import("undici");
    // Time limits are the platform's own. A runner may take as many connections as it has places.
    const pool = new Pool(address, {
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 4_000,
      pipelining: 1,
    });
    // A runner's address is its port, which another runner may get later: idle pools are forgotten.
    pool.on("disconnect", () => {
      if (pool.stats.connected > 0 || this.#pools.get(address) !== pool) return;
      this.#pools.delete(address);
      pool.close().catch(() => {}); // the gateway has closed it
    });
    this.#pools.set(address, pool);
    return pool;
  }
}

/** Receives the answer of a runner and writes it to the caller. */
class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #request: ForwardedRequest;
  readonly #response: AnswerTarget;
  readonly #departure: Pick<Departure, "reason" | "onLeft">;
  readonly #onHints: (hints: ReadonlySet<string> | undefined) => void;
  readonly #settle: (outcome: ForwardOutcome) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failure: GatewayError | undefined;
  #status = 0;
  /** Whether the head is not sent yet. It goes with the first piece of the body, if both have come at once. */
  #isHeadHeld = false;
  #firstPiece: Buffer | undefined;

  constructor(
    request: ForwardedRequest,
    response: AnswerTarget,
    departure: Pick<Departure, "reason" | "onLeft">,
    onHints: (hints: ReadonlySet<string> | undefined) => void,
    settle: (outcome: ForwardOutcome) => void,
  ) {
    this.#request = request;
    this.#response = response;
    this.#departure = departure;
    this.#onHints = onHints;
    this.#settle = settle;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    const { timeoutSeconds } = this.#request;
    this.#timer = setTimeout(
      () =>
        this.#abort(
          new GatewayError(
            "request_timeout",
            `The app did not finish within its request timeout of ${timeoutSeconds} s.`,
          ),
        ),
      Math.min(timeoutSeconds * 1_000, 2 ** 31 - 1),
    );
    const { reason } = this.#departure;
    if (reason !== undefined) return this.#abort(reason);
    this.#departure.onLeft = (left) => this.#abort(left);
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return; // informational: only the final answer is forwarded
    this.#status = status;
    const hints = headers["x-fal-runner-hints"];
    this.#onHints(typeof hints === "string" ? parseHints(hints) : undefined);
    const passed = answerHeaders(headers);
    passed["x-fal-request-id"] = this.#request.requestId;
    this.#response.writeHead(status, passed);
    this.#isHeadHeld = true;
    // The head of a stream must not wait for its first item.
    process.nextTick(this.#sendHead);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isHeadHeld && this.#firstPiece === undefined) {
      this.#firstPiece = chunk;
      return;
    }
    this.#sendHead();
    if (this.#response.write(chunk)) return;
    controller.pause();
    this.#response.once("drain", () => controller.resume());
  }

  onResponseEnd(): void {
    this.#clean();
    const last = this.#firstPiece;
    this.#isHeadHeld = false;
    this.#firstPiece = undefined;
    // Head and body of a small answer are written at once.
    this.#response.end(last);
    this.#settle({ kind: "answered", status: this.#status });
  }

  onResponseError(
    _controller: Dispatcher.DispatchController,
    error: Error & { readonly code?: string },
  ): void {
    this.#clean();
    this.#sendHead();
    this.#settle({ kind: "failed", error: this.#failure ?? this.#errorOf(error) });
  }

  readonly #sendHead = (): void => {
    if (!this.#isHeadHeld) return;
    this.#isHeadHeld = false;
    const piece = this.#firstPiece;
    this.#firstPiece = undefined;
    if (piece === undefined) this.#response.flushHeaders();
    else this.#response.write(piece);
  };

  #abort(failure: GatewayError): void {
    this.#failure ??= failure;
    this.#controller?.abort(failure);
  }

  #clean(): void {
    clearTimeout(this.#timer);
    this.#departure.onLeft = undefined;
  }

  #errorOf({ code = "", message }: Error & { readonly code?: string }): GatewayError {
    if (NEVER_SENT.has(code)) {
      return new GatewayError(
        "runner_connection_refused",
        "The app's runner does not accept connections any more; try again.",
      );
    }
    if (this.#status > 0) {
      return new GatewayError(
        "runner_incomplete_response",
        `The app's runner ended its answer too early (${code || message}).`,
      );
    }
    return new GatewayError(
      "runner_disconnected",
      `The app's runner ended before it answered (${code || message}).`,
    );
  }
}

/** Reads a body by events: an iterator costs as much as the rest of the request. */
function readSmall(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.once("end", () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    const onClose = (): void => {
      if (!request.readableEnded) {
        reject(new GatewayError("client_disconnected", "The caller left before its request was complete."));
      }
    };
    // The caller may have left while its key was looked up: then no event follows.
    if (request.destroyed) return onClose();
    request.once("close", onClose);
    request.once("error", () => {}); // "close" follows
  });
}

function parseHints(text: string): ReadonlySet<string> {
  return new Set(
    text
      .split(",")
      .map((hint) => hint.trim())
      .filter((hint) => hint !== ""),
  );
}
