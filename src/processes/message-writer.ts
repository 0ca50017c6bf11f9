import type { Socket } from "node:net";
import { encodeMessage } from "./message-codec.ts";

/** Writes messages to another process. */
export class MessageWriter {
  readonly #pipe: Socket;

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
    if (this.#pipe.writable) this.#pipe.write(encoded, onWritten);
    else onWritten?.();
  }
}
