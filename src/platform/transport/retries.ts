import { PlatformError } from "../../errors.ts";
import { Backoff } from "../../processes/backoff.ts";
import { pause } from "../../processes/timers.ts";

/** Options of {@link Retries}. */
export interface RetryOptions {
  /** The wait before the second attempt, in milliseconds; it doubles with each further one. Default 500. */
  readonly retryDelayMs?: number | undefined;
}

const MAX_ATTEMPTS = 5;

/** Repeats a read-only request until five consecutive attempts have failed. */
export class Retries {
  readonly #backoff: Backoff;
  #failed = 0;

  constructor({ retryDelayMs = 500 }: RetryOptions = {}) {
    this.#backoff = new Backoff({ firstMs: retryDelayMs, jitter: 0.2 });
  }

  /** Resets the count of failures after a success. */
  reset(): void {
    this.#failed = 0;
    this.#backoff.reset();
  }

  /** Waits for the next attempt, or throws the error after the last one. */
  async failed(error: unknown, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    this.#failed += 1;
    if (!isRetryable(error) || this.#failed >= MAX_ATTEMPTS) throw error;
    await pause(this.#backoff.next(), signal);
  }
}

/** Whether another attempt may succeed: there was no response, or its status is temporary. */
function isRetryable(error: unknown): boolean {
  if (!(error instanceof PlatformError) || error.code !== "PLATFORM_UNREACHABLE") return false;
  return error.status === undefined || /^HTTP (?:429|502|503|504)$/.test(error.status);
}
