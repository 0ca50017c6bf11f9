import type { IncomingMessage, ServerResponse } from "node:http";
import type { Dispatcher, Pool } from "undici";
import { answerHeaders } from "./forwarded-headers.ts";
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

  /** The body of a request: read if it is small, otherwise the stream itself. */
  async bodyOf(request: IncomingMessage, signal: AbortSignal): Promise<Buffer | IncomingMessage | null> {
    const length = request.headers["content-length"];
    if (length === undefined && request.headers["transfer-encoding"] === undefined) return null;
    if (length === undefined || Number(length) > SMALL_BODY) return request;
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      signal.throwIfAborted();
      throw new GatewayError("client_disconnected", "The caller left before its request was complete.");
    }
    return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
  }

  /** Sends a request to a runner and its answer to the caller, piece by piece, as fast as the slower side reads. */
  async forward(
    request: ForwardedRequest,
    response: ServerResponse,
    left: AbortSignal,
    onHints: (hints: ReadonlySet<string> | undefined) => void,
  ): Promise<ForwardOutcome> {
    const pool = await this.#pool(request.address);
    return new Promise((resolve, reject) => {
      const handler = new AnswerHandler(request, response, left, onHints, resolve);
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
      void pool.close();
    });
    this.#pools.set(address, pool);
    return pool;
  }
}

/** Receives the answer of a runner and writes it to the caller. */
class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #request: ForwardedRequest;
  readonly #response: ServerResponse;
  readonly #left: AbortSignal;
  readonly #onHints: (hints: ReadonlySet<string> | undefined) => void;
  readonly #settle: (outcome: ForwardOutcome) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failure: GatewayError | undefined;
  #status = 0;

  constructor(
    request: ForwardedRequest,
    response: ServerResponse,
    left: AbortSignal,
    onHints: (hints: ReadonlySet<string> | undefined) => void,
    settle: (outcome: ForwardOutcome) => void,
  ) {
    this.#request = request;
    this.#response = response;
    this.#left = left;
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
    if (this.#left.aborted) return this.#onLeft();
    this.#left.addEventListener("abort", this.#onLeft, { once: true });
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
    // The caller learns the platform's id, even if the app has one of its own.
    delete passed["x-fal-request-id"];
    this.#response.writeHead(status, passed);
    // The head of a stream must not wait for its first item.
    this.#response.flushHeaders();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#response.write(chunk)) return;
    controller.pause();
    this.#response.once("drain", () => controller.resume());
  }

  onResponseEnd(): void {
    this.#clean();
    this.#response.end();
    this.#settle({ kind: "answered", status: this.#status });
  }

  onResponseError(
    _controller: Dispatcher.DispatchController,
    error: Error & { readonly code?: string },
  ): void {
    this.#clean();
    this.#settle({ kind: "failed", error: this.#failure ?? this.#errorOf(error) });
  }

  readonly #onLeft = (): void => {
    const reason = this.#left.reason as unknown;
    this.#abort(
      reason instanceof GatewayError ? reason : new GatewayError("client_disconnected", "The caller left."),
    );
  };

  #abort(failure: GatewayError): void {
    this.#failure ??= failure;
    this.#controller?.abort(failure);
  }

  #clean(): void {
    clearTimeout(this.#timer);
    this.#left.removeEventListener("abort", this.#onLeft);
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

function parseHints(text: string): ReadonlySet<string> {
  return new Set(
    text
      .split(",")
      .map((hint) => hint.trim())
      .filter((hint) => hint !== ""),
  );
}
