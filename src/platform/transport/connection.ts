/**
 * Calls to a control plane over gRPC. It loads the gRPC libraries, so import it with `import()` where it is not always
 * needed.
 * @module
 */
import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Backoff } from "../../processes/backoff.ts";
import { pause } from "../../processes/timers.ts";
import type { Credentials } from "../target/credentials.ts";
import type { Endpoint } from "../target/endpoints.ts";
import { grpcFailure, type GrpcCall } from "./grpc-errors.ts";
import { USER_AGENT } from "./user-agent.ts";
import { GrpcSession, wasNeverSent, type GrpcSessionOptions } from "./grpc-session.ts";

/** Options of a {@link Connection}. */
export interface ConnectionOptions extends GrpcSessionOptions {
  endpoint: Endpoint;
  credentials: Credentials;
  /** Maximum time of a unary call, in milliseconds, up to 27 hours. Default 60,000; 0 sets no limit. */
  timeoutMs?: number | undefined;
  /** The wait before the second attempt, in milliseconds; it doubles with each further one. Default 100. */
  retryDelayMs?: number | undefined;
  /** Called before each further attempt. */
  onRetry?: ((retry: { method: string; attempt: number; error: Error }) => void) | undefined;
}

/** Options of one call. */
export interface GrpcCallOptions {
  /** Cancels the call, also on the server. The call then throws the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Maximum time of all attempts together, in milliseconds. Default: the connection's; none for streams. */
  timeoutMs?: number | undefined;
  /**
   * Whether the call may be repeated if the server may already have executed it. Default true. A call that was not sent
   * is always repeated.
   */
  retry?: boolean | undefined;
}

const ATTEMPTS = 5;
const MAX_RETRY_DELAY_MS = 5_000;
/** The largest timeout of gRPC, which has eight digits: 27 hours. */
const MAX_TIMEOUT_MS = 99_999_999;
/** Maximum size of a response, in bytes. Responses of control planes are far smaller. */
const MAX_ANSWER_BYTES = 64 * 2 ** 20;
/** Requests are not limited. */
const MAX_REQUEST_BYTES = 2 ** 31 - 1;

/**
 * A connection to a control plane, opened by the first call and reopened after a failure.
 *
 * A call that fails without a connection or with UNAVAILABLE, before it has received data, is attempted up to five times.
 * Use `retry: false` for a call that must not be executed twice. All errors are `PlatformError`s.
 */
export class Connection implements Disposable {
  readonly #options: ConnectionOptions;
  readonly #session: GrpcSession;
  readonly #transport: Transport;
  readonly #header: [name: string, value: string][];

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#session = new GrpcSession(options.endpoint.url, {
      ...options,
      authority: options.endpoint.authority,
    });
    this.#header = [["user-agent", USER_AGENT], ...options.credentials.metadata()];
    this.#transport = createGrpcTransport({
      baseUrl: options.endpoint.url,
      sessionManager: this.#session,
      readMaxBytes: MAX_ANSWER_BYTES,
      writeMaxBytes: MAX_REQUEST_BYTES,
    });
  }

  /** Makes a unary call. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    input: MessageInitShape<I>,
    options: GrpcCallOptions = {},
  ): Promise<MessageShape<O>> {
    const attempts = new Attempts(method, this.#options, {
      ...options,
      timeoutMs: options.timeoutMs ?? this.#options.timeoutMs ?? 60_000,
    });
    for (;;) {
      try {
        const { signal } = options;
        const left = attempts.timeLeftMs();
        const answer = await this.#transport.unary(method, signal, left, this.#header, input);
        return answer.message;
      } catch (error) {
        await attempts.failed(error, true);
      }
    }
  }

  /** Makes a call with a stream of responses. Leaving the loop over them cancels the call. */
  async *stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    input: MessageInitShape<I>,
    options: GrpcCallOptions = {},
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    const attempts = new Attempts(method, this.#options, options);
    let hasReceived = false;
    for (;;) {
      try {
        for await (const message of this.#open(method, createAsyncIterable([input]), attempts)) {
          hasReceived = true;
          yield message;
        }
        return;
      } catch (error) {
        await attempts.failed(error, !hasReceived);
      }
    }
  }

  /** Makes a call with streams in both directions. It is not repeated, because the inputs are consumed. */
  async *duplex<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
    inputs: AsyncIterable<MessageInitShape<I>>,
    options: GrpcCallOptions = {},
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    const attempts = new Attempts(method, this.#options, options);
    try {
      yield* this.#open(method, inputs, attempts);
    } catch (error) {
      await attempts.failed(error, false);
    }
  }

  /** Closes the connection. Running calls fail. */
  close(): void {
    this.#session[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async *#open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O> | DescMethodBiDiStreaming<I, O>,
    inputs: AsyncIterable<MessageInitShape<I>>,
    attempts: Attempts,
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    // Otherwise the call continues after the loop over connect's iterator is left.
    const left = new AbortController();
    const end = (): void => left.abort(attempts.signal?.reason);
    attempts.signal?.addEventListener("abort", end, { once: true });
    if (attempts.signal?.aborted === true) end();
    try {
      const limit = attempts.timeLeftMs();
      const answer = await this.#transport.stream(method, left.signal, limit, this.#header, inputs);
      yield* answer.message;
    } finally {
      attempts.signal?.removeEventListener("abort", end);
      left.abort();
    }
  }
}

/** Counts the attempts of one call and the time that is left. */
class Attempts {
  readonly signal: AbortSignal | undefined;
  readonly #call: GrpcCall;
  readonly #options: ConnectionOptions;
  readonly #deadline: number;
  readonly #isRepeatable: boolean;
  readonly #backoff: Backoff;
  #made = 0;

  constructor(
    method: DescMethod,
    options: ConnectionOptions,
    { signal, timeoutMs, retry = true }: GrpcCallOptions,
  ) {
    const { endpoint, credentials } = options;
    const limit = timeoutMs === 0 ? undefined : timeoutMs;
    this.#call = { method: method.name, endpoint, credentials, timeoutMs: limit };
    this.#options = options;
    this.#isRepeatable = retry;
    const { retryDelayMs: firstMs = 100 } = options;
    this.#backoff = new Backoff({ firstMs, lastMs: MAX_RETRY_DELAY_MS, jitter: 0.2 });
    this.#deadline = limit === undefined ? Infinity : performance.now() + limit;
    this.signal = signal;
    signal?.throwIfAborted();
  }

  /** The remaining time of the call, in milliseconds; undefined without a limit. */
  timeLeftMs(): number | undefined {
    if (this.#deadline === Infinity) return undefined;
    return Math.min(MAX_TIMEOUT_MS, Math.max(1, Math.ceil(this.#deadline - performance.now())));
  }

  /** Waits for the next attempt, or throws the error of the call if it is not repeated. */
  async failed(thrown: unknown, mayRepeat: boolean): Promise<void> {
    this.signal?.throwIfAborted();
    const mayBeDone = !this.#isRepeatable && !wasNeverSent(thrown);
    const { error, isRetryable } = grpcFailure(thrown, { ...this.#call, mayBeDone });
    this.#made += 1;
    const delayMs = this.#backoff.next();
    const isInTime = performance.now() + delayMs < this.#deadline;
    if (!mayRepeat || mayBeDone || !isRetryable || this.#made >= ATTEMPTS || !isInTime) throw error;
    this.#options.onRetry?.({ method: this.#call.method, attempt: this.#made + 1, error });
    await pause(delayMs, this.signal);
  }
}
