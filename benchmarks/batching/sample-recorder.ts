import { answerText } from "./item.ts";
import type { Samples } from "./load.ts";
import { monotonicMs } from "./monotonic.ts";
import type { Response } from "./response-parser.ts";

/** Records the outcomes of the requests of one run. */
export class SampleRecorder {
  readonly #startedMs: number;
  readonly #dueMs: number[] = [];
  readonly #lateMs: number[] = [];
  readonly #latencyMs: number[] = [];
  readonly #status: number[] = [];
  readonly #retryAfter: number[] = [];
  #pending = 0;

  /** @param startedMs the run's start, in milliseconds of the monotonic clock. */
  constructor(startedMs: number) {
    this.#startedMs = startedMs;
  }

  /** The number of requests without a response so far. */
  get pending(): number {
    return this.#pending;
  }

  /** Milliseconds since the run's start. */
  now(): number {
    return monotonicMs() - this.#startedMs;
  }

  /** Records that a request is sent now. Returns its number. */
  sent(dueMs: number, nowMs: number): number {
    this.#pending++;
    this.#latencyMs.push(-1);
    this.#status.push(0);
    this.#retryAfter.push(0);
    this.#lateMs.push(nowMs - dueMs);
    return this.#dueMs.push(dueMs) - 1;
  }

  /** Records its response; undefined if the connection was lost. @throws Error if the response belongs to another request. */
  answered(request: number, response: Response | undefined): void {
    this.#pending--;
    if (response === undefined) return;
    const { status, body, hasRetryAfter } = response;
    if (status === 200 && body !== answerText(request)) {
      throw new Error(`Request ${request} was answered with ${body}.`);
    }
    this.#latencyMs[request] = this.now() - (this.#dueMs[request] as number);
    this.#status[request] = status;
    this.#retryAfter[request] = hasRetryAfter ? 1 : 0;
  }

  /** Ends the run. */
  finish(): Samples {
    const end = this.now();
    return {
      startedMs: this.#startedMs,
      dueMs: Float64Array.from(this.#dueMs),
      lateMs: Float64Array.from(this.#lateMs),
      latencyMs: Float64Array.from(this.#latencyMs, (latency, request) =>
        latency === -1 ? end - (this.#dueMs[request] as number) : latency,
      ),
      status: Uint16Array.from(this.#status),
      retryAfter: Uint8Array.from(this.#retryAfter),
    };
  }
}
