import type { Duplex } from "node:stream";
import type { Frame, FrameConnection } from "../../realtime/connection.ts";
import type { ServerSocket } from "./server-socket.ts";
import { isShort, wholeFrame } from "./whole-frame.ts";

/** Amount of unsent data above which sending pauses, in bytes. */
const HIGH_WATER_BYTES = 256 * 1024;
/** Amount of unsent data at which sending resumes, in bytes. */
const LOW_WATER_BYTES = 64 * 1024;

/** A websocket as the frame connection of a session. */
export class SocketConnection implements FrameConnection {
  readonly #socket: ServerSocket;
  readonly #transport: Duplex;
  #corked = false;
  #drained: { promise: Promise<void>; resolve: () => void } | undefined;

  /** @param transport the stream that the websocket writes to */
  constructor(socket: ServerSocket, transport: Duplex) {
    this.#socket = socket;
    this.#transport = transport;
    socket.once("close", () => this.#drained?.resolve());
  }

  send(frame: Frame, isLast = false): boolean {
    const socket = this.#socket;
    const transport = this.#transport;
    if (socket.readyState !== socket.OPEN) return true; // disconnected; the session will be notified
    if (!this.#corked && !isLast) {
      this.#corked = true;
      transport.cork(); // all frames of this turn are written by one system call, which costs more than a frame
      process.nextTick(this.#uncork);
    }
    if (!isShort(frame)) socket.send(frame, this.#onSent);
    else {
      const bytes = wholeFrame(frame);
      // Below this amount nobody waits, and a callback would cost a turn of its own.
      if (transport.writableLength + bytes.length <= LOW_WATER_BYTES) transport.write(bytes);
      else transport.write(bytes, this.#onSent);
    }
    return transport.writableLength < HIGH_WATER_BYTES;
  }

  drained(): Promise<void> {
    const socket = this.#socket;
    if (socket.readyState !== socket.OPEN || socket.bufferedAmount <= LOW_WATER_BYTES)
      return Promise.resolve();
    if (this.#drained === undefined) {
      let resolve!: () => void;
      const promise = new Promise<void>((done) => (resolve = done));
      this.#drained = { promise, resolve };
    }
    return this.#drained.promise;
  }

  ping(): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(code: number, reason?: string): void {
    this.#socket.resume(); // a paused socket would never receive the answer
    this.#socket.end(code, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }

  readonly #uncork = (): void => {
    this.#corked = false;
    this.#transport.uncork();
  };

  readonly #onSent = (): void => {
    if (this.#drained === undefined || this.#socket.bufferedAmount > LOW_WATER_BYTES) return;
    this.#drained.resolve();
    this.#drained = undefined;
  };
}
