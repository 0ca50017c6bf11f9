import { FetchError } from "../file-errors.ts";
import type { ResolvedFetchLimits } from "./fetch-limits.ts";

/** Ends a fetch when its time is up, or when the signal of its caller aborts. */
export class FetchDeadline {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #abort: () => void;
  readonly #timer: NodeJS.Timeout;

  constructor({ timeoutMs, signal }: Pick<ResolvedFetchLimits, "timeoutMs" | "signal">) {
    this.#outer = signal;
    this.#abort = () => this.#controller.abort(signal?.reason);
    if (signal?.aborted === true) this.#abort();
    signal?.addEventListener("abort", this.#abort, { once: true });
    this.#timer = setTimeout(() => {
      this.#controller.abort(new FetchError("timeout", `The file did not arrive within ${timeoutMs} ms.`));
    }, timeoutMs).unref();
  }

  /** Its reason is the error to throw. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends the fetch. Without effect if it has ended already. */
  abort(reason: FetchError): void {
    this.#controller.abort(reason);
  }

  /** Ends the watch over the fetch, which is over. */
  end(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#abort);
  }
}
