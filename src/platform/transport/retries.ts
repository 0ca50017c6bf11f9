import { setTimeout as delay } from "node:timers/promises";
import { PlatformError } from "../../errors.ts";
import { timerMs } from "./timer-range.ts";

/** How {@link Retries} are spaced. */
export interface RetryOptions {
  /** How long to wait before the second try, in milliseconds; twice as long before each further one. Default 500. */
  readonly retryDelayMs?: number | undefined;
}

const TRIES = 5;

/** The tries at reading something that may be asked for again: five in a row that fail are enough. */
export class Retries {
  readonly #firstMs: number;
  #failed = 0;

  constructor({ retryDelayMs = 500 }: RetryOptions = {}) {
    this.#firstMs = retryDelayMs;
  }

  /** It went well: what comes counts anew. */
  reset(): void {
    this.#failed = 0;
  }

  /** Waits until another try may be made, or throws why none is. */
  async failed(error: unknown, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    this.#failed += 1;
    if (!isPassing(error) || this.#failed >= TRIES) throw error;
    const waitMs = this.#firstMs * 2 ** (this.#failed - 1) * (0.8 + Math.random() * 0.4);
    await delay(timerMs(waitMs), undefined, { signal }).catch(() => signal?.throwIfAborted());
  }
}

/** No answer came, or one that says that there will be one later. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof PlatformError) || error.code !== "PLATFORM_UNREACHABLE") return false;
  return error.status === undefined || /^HTTP (?:429|502|503|504)$/.test(error.status);
}
