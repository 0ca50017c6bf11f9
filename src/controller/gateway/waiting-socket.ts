import type { Duplex } from "node:stream";
import { GatewayError } from "./gateway-error.ts";

/** The most that is read ahead of a runner, in bytes. */
const MAX_AHEAD = 64 * 1024;

/**
 * A caller's socket that waits for a runner and for its answer. It is read meanwhile, since only a socket that is read
 * tells that its caller has left.
 */
export class WaitingSocket {
  readonly socket: Duplex;
  readonly #left = new AbortController();
  readonly #ahead: Buffer[];
  #bytes = 0;

  /** @param head the bytes behind the head of the request */
  constructor(socket: Duplex, head: Buffer) {
    this.socket = socket;
    this.#ahead = [head];
    const leave = (): void => this.#left.abort(new GatewayError("client_disconnected", "The caller left."));
    socket.on("error", leave).once("close", leave);
    if (socket.destroyed) leave();
    else socket.on("data", this.#read).once("end", this.#end);
  }

  /** Aborted when the caller leaves, also after {@link take}. */
  get left(): AbortSignal {
    return this.#left.signal;
  }

  /** Ends waiting: the socket's data has to be listened to at once. @returns all bytes that were read */
  take(): Buffer {
    this.socket.off("data", this.#read).off("end", this.#end).resume();
    return Buffer.concat(this.#ahead);
  }

  readonly #read = (chunk: Buffer): void => {
    this.#ahead.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > MAX_AHEAD) this.socket.pause();
  };

  readonly #end = (): void => {
    this.socket.destroy();
  };
}
