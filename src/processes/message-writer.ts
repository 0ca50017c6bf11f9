import type { Socket } from "node:net";
import { encodeMessage } from "./message-codec.ts";

/** Writes messages to another process. */
export class MessageWriter {
  readonly #pipe: Socket;
  #isHeld = false;
  /** Lines that wait for {@link release}: one text is faster than a list of them. */
  #lines = "";

  constructor(pipe: Socket) {
    this.#pipe = pipe;
  }

  /**
   * Writes a message, unless the pipe has ended.
   * @param onWritten called when it is written, or can't be
   * @throws Error if structured clone does not support a value
   */
  write(message: object, onWritten?: () => void): void {
    const encoded = encodeMessage(message);
    if (this.#isHeld && typeof encoded === "string" && onWritten === undefined) {
      this.#lines += encoded;
      return;
    }
    this.#flush();
    this.#put(encoded, onWritten);
  }

  /** Collects messages until {@link release}, to write them at once. */
  hold(): void {
    this.#isHeld = true;
    this.#pipe.cork();
  }

  /** Writes what was collected. */
  release(): void {
    this.#isHeld = false;
    this.#flush();
    this.#pipe.uncork();
  }

  #flush(): void {
    if (this.#lines === "") return;
    const lines = this.#lines;
    this.#lines = "";
    this.#put(lines, undefined);
  }

  #put(encoded: string | Buffer, onWritten: (() => void) | undefined): void {
    if (this.#pipe.writable) this.#pipe.write(encoded, onWritten);
    else onWritten?.();
  }
}
