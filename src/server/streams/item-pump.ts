import type { Clock } from "../../dispatch/clock.ts";
import { isThenable } from "../thenable.ts";

type Result = IteratorResult<unknown, unknown>;

/** Options of {@link ItemPump}. */
interface ItemPumpParts {
  /** Asks for the next item. */
  readonly next: () => Result | PromiseLike<Result>;
  /** Passes on an item, or the end. False: the next item is wanted only after `whenReady()`. */
  readonly take: (result: Result) => boolean;
  readonly whenReady: () => Promise<void>;
  /** Maximum wait for an item, in ms. Default: none. */
  readonly timeoutMs: number | undefined;
  readonly clock: Clock;
  /** Called when an item did not come in time. */
  readonly expire: (timeoutMs: number) => void;
}

/** Passes on the items of one iterator, one after another. */
export class ItemPump {
  readonly #parts: ItemPumpParts;
  /** The time at which the item that is waited for is late, in ms; Infinity while none is waited for. */
  #dueAt = Infinity;
  /** One timer serves many items: when it fires, it waits for the rest of the current item's time. */
  #cancelTimer: (() => void) | undefined;
  #isStopped = false;

  constructor(parts: ItemPumpParts) {
    this.#parts = parts;
  }

  /** Resolves after the last item, or after {@link stop}. Rejects with the errors of `next` and `take`. */
  async run(): Promise<void> {
    const { next, take, whenReady, timeoutMs } = this.#parts;
    try {
      while (!this.#isStopped) {
        const asked = next();
        let result: Result;
        if (isThenable(asked)) {
          if (timeoutMs !== undefined) this.#startTime(timeoutMs);
          result = await asked;
          this.#dueAt = Infinity;
          if (this.#isStopped) return;
        } else result = asked;
        const isReady = take(result);
        if (result.done === true) return;
        if (!isReady) await whenReady();
      }
    } finally {
      this.stop();
    }
  }

  /** Passes on no more items. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #startTime(timeoutMs: number): void {
    const { clock } = this.#parts;
    this.#dueAt = clock.now() + timeoutMs;
    this.#cancelTimer ??= clock.after(timeoutMs, this.#onTimer);
  }

  readonly #onTimer = (): void => {
    this.#cancelTimer = undefined;
    const { clock, expire, timeoutMs } = this.#parts;
    if (timeoutMs === undefined || this.#dueAt === Infinity) return;
    const leftMs = this.#dueAt - clock.now();
    if (leftMs > 0) this.#cancelTimer = clock.after(leftMs, this.#onTimer);
    else expire(timeoutMs);
  };
}
