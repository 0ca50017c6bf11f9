import { PlatformError } from "../../errors.ts";
import { Backoff } from "../../processes/backoff.ts";
import { pause } from "../../processes/timers.ts";

/** How {@link Retries} are spaced. */
export interface RetryOptions {
  /** How long to wait before the second try, in milliseconds; twice as long before each further one. Default 500. */
  readonly retryDelayMs?: number | undefined;
}

const TRIES = 5;

/** The tries at reading something that may be asked for again: five in a row that fail are enough. */
export class Retries {
  readonly #backoff: Backoff;
  #failed = 0;

  constructor({ retryDelayMs = 500 }: RetryOptions = {}) {
    this.#backoff = new Backoff({ firstMs: retryDelayMs, jitter: 0.2 });
  }

  /** It went well: what comes counts anew. */
  reset(): void {
    this.#failed = 0;
    this.#backoff.reset();
  }

  /** Waits until another try may be made, or throws why none is. */
  async failed(error: unknown, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    this.#failed += 1;
    if (!isPassing(error) || this.#failed >= TRIES) throw error;
    await pause(this.#backoff.next(), signal);
  }
}

/** No answer came, or one that says that there will be one later. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof PlatformError) || error.code !== "PLATFORM_UNREACHABLE") return false;
  return error.status === undefined || /^HTTP (?:429|502|503|504)$/.test(error.status);
}
