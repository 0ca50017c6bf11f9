import type { InputBuffer, WaitingInput } from "./input-buffer.ts";

/** The inputs of a session as the async iterable that a streaming handler reads. */
export class InputReader implements AsyncIterable<unknown> {
  /** Rejects when an input does not fit: that ends the session, whatever the handler makes of it. */
  readonly failed: Promise<never>;
  readonly #inputs: InputBuffer;
  readonly #read: (input: WaitingInput) => unknown;
  #fail!: (error: unknown) => void;
  #taken = 0;

  constructor(inputs: InputBuffer, read: (input: WaitingInput) => unknown) {
    this.#inputs = inputs;
    this.#read = read;
    this.failed = new Promise((_, reject) => (this.#fail = reject));
    this.failed.catch(() => {}); // the session may be over by then
  }

  /** How many inputs were handed out. */
  get taken(): number {
    return this.#taken;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, void> {
    for (;;) {
      const input = await this.#inputs.take();
      if (typeof input === "string") return;
      let value: unknown;
      try {
        value = this.#read(input);
      } catch (error) {
        this.#fail(error);
        throw error;
      }
      this.#taken++;
      yield value;
    }
  }
}
