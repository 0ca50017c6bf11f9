import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import type { Clock } from "../../dispatch/clock.ts";

/** Time that a client has to answer the close frame while the server stops, in ms. */
const CLOSING_MS = 1_000;

/** A method of `ws` that its types lack. */
interface SocketTaker {
  setSocket(transport: Duplex, head: Buffer, options: object): void;
}

/**
 * The server's end of a websocket. `ws` answers a close frame immediately, with the client's code or none, which
 * official clients treat as an error. Here the owner is notified and answers when it has finished, by default with
 * 1000.
 */
export class ServerSocket extends WebSocket {
  /** The largest message of a connection, in bytes: `ws` has only one limit per server. */
  static readonly limits = new WeakMap<Duplex, number>();

  #onPeerClosing: (() => void) | undefined;
  #ending = false;
  #sentCode: number | undefined;
  #limit: (() => void) | undefined;

  /** Called instead of the automatic answer to a close frame. The listener must call {@link end}. */
  set onPeerClosing(listener: () => void) {
    this.#onPeerClosing = listener;
  }

  /** The code of the close frame sent by the server; undefined if none was sent. */
  get sentCode(): number | undefined {
    return this.#sentCode;
  }

  /** Called by `ws` once the connection is upgraded. */
  setSocket(transport: Duplex, head: Buffer, options: { readonly maxPayload?: number }): void {
    const maxPayload = ServerSocket.limits.get(transport) ?? options.maxPayload;
    (WebSocket.prototype as unknown as SocketTaker).setSocket.call(this, transport, head, {
      ...options,
      maxPayload,
    });
  }

  /** Ends the connection with a close frame, or with the answer to one. */
  end(code: number = 1000, reason?: string): void {
    this.#ending = true;
    this.#sentCode ??= code;
    super.close(code, reason === undefined ? undefined : fitReason(reason));
    this.#limit?.();
  }

  /**
   * From now on a client that does not answer the close frame is disconnected: a stopping server waits for no answer.
   */
  limitClosing(clock: Clock): void {
    if (this.#limit !== undefined) return;
    let cancel: (() => void) | undefined;
    const wait = (unsent: number): void => {
      cancel = clock.after(CLOSING_MS, () => {
        const left = this.bufferedAmount;
        if (left > 0 && left < unsent)
          wait(left); // the client still reads pending data
        else this.terminate();
      });
    };
    this.#limit = () => {
      if (cancel === undefined && this.readyState !== this.CLOSED) wait(Infinity);
    };
    this.once("close", () => cancel?.());
    if (this.#ending) this.#limit();
  }

  /**
   * Called by handlers, and by `ws` after a close frame or a frame that violates the protocol.
   * @throws RangeError for an invalid code or reason
   */
  override close(code?: number, reason?: string | Buffer): void {
    assertCloseFrame(code, reason);
    if (this.#ending) return super.close(code, reason);
    // The owner of the socket answers the client's close frame. Without an owner, it is echoed.
    if (!this.#isPeerClosing || this.#onPeerClosing === undefined) return this.end(code, reason?.toString());
    this.#ending = true;
    this.#onPeerClosing();
  }

  /**
   * The client's close frame has arrived. `ws` has no public API for this, though it answers such a frame by the same
   * `close()` that handlers call.
   */
  get #isPeerClosing(): boolean {
    return (this as unknown as { readonly _closeFrameReceived?: boolean })._closeFrameReceived === true;
  }
}

/** A control frame holds 125 bytes, two of them for the code. */
const MAX_REASON_BYTES = 123;

/** Whether a code is allowed in a close frame: RFC 6455, 7.4, and its registry. */
function isCloseCode(code: unknown): boolean {
  if (!Number.isInteger(code)) return false;
  const value = code as number;
  return (
    (value >= 1000 && value <= 1003) || (value >= 1007 && value <= 1014) || (value >= 3000 && value <= 4999)
  );
}

function assertCloseFrame(code: number | undefined, reason: string | Buffer | undefined): void {
  if (code !== undefined && !isCloseCode(code)) {
    throw new RangeError(
      `A websocket can't be closed with ${String(code)}: give a code from 1000 to 1003, 1007 to 1014 or 3000 to 4999.`,
    );
  }
  const bytes = reason === undefined ? 0 : Buffer.byteLength(reason);
  if (bytes > MAX_REASON_BYTES) {
    throw new RangeError(
      `The close reason of a websocket has ${bytes} bytes, but may have ${MAX_REASON_BYTES} at most; shorten it.`,
    );
  }
}

/** Truncates a reason to the maximum length, between characters. */
function fitReason(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= MAX_REASON_BYTES) return reason;
  return new TextDecoder().decode(bytes.subarray(0, MAX_REASON_BYTES), { stream: true });
}
