import type { InputBuffer, WaitingInput } from "./input-buffer.ts";

/** The inputs of a session as the async iterable that a streaming handler reads. */
export class InputReader implements AsyncIterable<unknown> {
  readonly #inputs: InputBuffer;
  readonly #read: (input: WaitingInput) => unknown;
  readonly #onFailed: (error: unknown) => void;
  #taken = 0;

  /** @param onFailed called when an input does not fit: that ends the session, whatever the handler makes of it. */
  constructor(
    inputs: InputBuffer,
    read: (input: WaitingInput) => unknown,
    onFailed: (error: unknown) => void,
  ) {
    this.#inputs = inputs;
    this.#read = read;
    this.#onFailed = onFailed;
  }

  /** How many inputs were handed out. */
  get taken(): number {
    return this.#taken;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, void> {
    for (;;) {
      const input = this.#inputs.poll() ?? (await this.#inputs.take());
      if (typeof input === "string") return;
      let value: unknown;
      try {
        value = this.#read(input);
      } catch (error) {
        this.#onFailed(error);
        throw error;
      }
      this.#taken++;
      yield value;
    }
  }
}
