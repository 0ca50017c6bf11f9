import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import type { Clock } from "../../dispatch/clock.ts";

/** While the server stops, a client gets so long to answer our close frame, in milliseconds. */
const CLOSING_MS = 1_000;

/** A part of `ws` that its types leave out. */
interface SocketTaker {
  setSocket(transport: Duplex, head: Buffer, options: object): void;
}

/**
 * The server's end of a websocket. `ws` answers a close frame at once, with its own code or none, which official
 * clients read as an error; here the owner is told, and answers when it is done, with 1000 unless it says otherwise.
 */
export class ServerSocket extends WebSocket {
  /** The largest message that may come over a connection, in bytes: `ws` knows one limit for all of a server. */
  static readonly limits = new WeakMap<Duplex, number>();

  #onPeerClosing: (() => void) | undefined;
  #ending = false;
  #sentCode: number | undefined;
  #limit: (() => void) | undefined;

  /** Called instead of the automatic answer to a close frame; who sets it has to call {@link end}. */
  set onPeerClosing(listener: () => void) {
    this.#onPeerClosing = listener;
  }

  /** The code of the close frame that was sent from here; undefined if none was. */
  get sentCode(): number | undefined {
    return this.#sentCode;
  }

  /** What `ws` calls once the connection is upgraded. */
  setSocket(transport: Duplex, head: Buffer, options: { readonly maxPayload?: number }): void {
    const maxPayload = ServerSocket.limits.get(transport) ?? options.maxPayload;
    (WebSocket.prototype as unknown as SocketTaker).setSocket.call(this, transport, head, {
      ...options,
      maxPayload,
    });
  }

  /** Ends the connection: by a close frame of our own, or by the answer to one. */
  end(code: number = 1000, reason?: string): void {
    this.#ending = true;
    this.#sentCode ??= code;
    super.close(code, reason === undefined ? undefined : fitReason(reason));
    this.#limit?.();
  }

  /** From now on, a client that does not answer our close frame is cut: a server that stops waits for nobody's answer. */
  limitClosing(clock: Clock): void {
    if (this.#limit !== undefined) return;
    let cancel: (() => void) | undefined;
    const wait = (unsent: number): void => {
      cancel = clock.after(CLOSING_MS, () => {
        const left = this.bufferedAmount;
        if (left > 0 && left < unsent)
          wait(left); // it still takes what it was sent before
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
   * Called by handlers, and by `ws` when a close frame came in, and when a frame broke the protocol.
   * @throws RangeError for a code or a reason that no close frame may have
   */
  override close(code?: number, reason?: string | Buffer): void {
    assertCloseFrame(code, reason);
    if (this.#ending) return super.close(code, reason);
    // Whoever owns the socket answers the client's close frame. What has no owner is answered in kind.
    if (!this.#isPeerClosing || this.#onPeerClosing === undefined) return this.end(code, reason?.toString());
    this.#ending = true;
    this.#onPeerClosing();
  }

  /**
   * The client's close frame has come in. `ws` has no public word for it, though its own `close()` is what answers that
   * frame, and what a handler calls.
   */
  get #isPeerClosing(): boolean {
    return (this as unknown as { readonly _closeFrameReceived?: boolean })._closeFrameReceived === true;
  }
}

/** A control frame holds 125 bytes, two of them the code. */
const MAX_REASON_BYTES = 123;

/** Whether a close frame may carry a code: RFC 6455, 7.4, and the registry that followed it. */
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
      `The reason that a websocket is closed with has ${bytes} bytes, and may have ${MAX_REASON_BYTES}; shorten it.`,
    );
  }
}

/** As much of a reason as fits, cut between characters. */
function fitReason(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= MAX_REASON_BYTES) return reason;
  return new TextDecoder().decode(bytes.subarray(0, MAX_REASON_BYTES), { stream: true });
}
