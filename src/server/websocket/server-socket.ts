import type { Duplex } from "node:stream";
import { WebSocket } from "ws";

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
  }

  /** `ws` calls this, too, when a close frame came in, and when a frame broke the protocol. */
  override close(code?: number, reason?: string | Buffer): void {
    if (this.#ending) return super.close(code, reason);
    if (VIOLATIONS.has(code)) {
      this.#sentCode ??= code;
      return super.close(code, reason);
    }
    if (this.#onPeerClosing === undefined) return this.end();
    this.#ending = true;
    this.#onPeerClosing();
  }
}

/** What `ws` ends a connection with by itself: protocol error, wrong data, bad UTF-8, policy, too large. */
const VIOLATIONS: ReadonlySet<number | undefined> = new Set([1002, 1003, 1007, 1008, 1009]);

/** A control frame holds 125 bytes, two of them the code. */
const MAX_REASON_BYTES = 123;

/** As much of a reason as fits, cut between characters. */
function fitReason(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= MAX_REASON_BYTES) return reason;
  return new TextDecoder().decode(bytes.subarray(0, MAX_REASON_BYTES), { stream: true });
}
