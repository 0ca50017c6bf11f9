import type { Logger } from "pino";
import { closeItems, type Items } from "../items.ts";
import { WINDOW } from "./stream-window.ts";

/** The worker's side of a stream: takes items from the method, no faster than the main process passes them on. */
export class ItemSender {
  readonly #items: Items;
  readonly #log: () => Logger;
  #credit = WINDOW;
  #onChange: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(items: Items, log: () => Logger) {
    this.#items = items;
    this.#log = log;
  }

  /** Allows more items. */
  grant(count: number): void {
    this.#credit += count;
    this.#onChange?.();
  }

  /** Tells the method to clean up: its items are not wanted any more. */
  close(): void {
    this.#closed ??= closeItems(this.#items, this.#log());
    this.#onChange?.();
  }

  /**
   * Sends items until the stream has ended, or was closed and has cleaned up.
   * @param next asks the method for its next item
   * @throws the errors of the method and of `send`
   */
  async run(
    next: (items: Items) => Promise<IteratorResult<unknown>> | IteratorResult<unknown>,
    send: (item: unknown) => void,
  ): Promise<void> {
    try {
      for (;;) {
        while (this.#credit === 0 && this.#closed === undefined) await this.#change();
        if (this.#closed !== undefined) break;
        const result = await next(this.#items);
        if (result.done === true) break;
        if (this.#closed !== undefined) break;
        this.#credit--;
        try {
          send(result.value);
        } catch (error) {
          this.close();
          throw error;
        }
      }
    } finally {
      await this.#closed;
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange = () => {
        this.#onChange = undefined;
        resolve();
      };
    });
  }
}
