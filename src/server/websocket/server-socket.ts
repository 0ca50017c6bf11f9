import { WebSocket } from "ws";

/**
 * The server's end of a websocket. `ws` answers a close frame at once, with its own code or none, which official
 * clients read as an error; here the owner is told, and answers when it is done, with 1000 unless it says otherwise.
 */
export class ServerSocket extends WebSocket {
  #onPeerClosing: (() => void) | undefined;
  #ending = false;

  /** Called instead of the automatic answer to a close frame; who sets it has to call {@link end}. */
  set onPeerClosing(listener: () => void) {
    this.#onPeerClosing = listener;
  }

  /** Ends the connection: by a close frame of our own, or by the answer to one. */
  end(code: number = 1000, reason?: string): void {
    this.#ending = true;
    super.close(code, reason);
  }

  /** `ws` calls this, too, when a close frame came in. */
  override close(code?: number, reason?: string | Buffer): void {
    if (this.#ending) return super.close(code, reason);
    if (this.#onPeerClosing === undefined) return super.close(isSendable(code) ? code : 1000, reason);
    this.#ending = true;
    this.#onPeerClosing();
  }
}

/** Codes an endpoint may send: RFC 6455, section 7.4. */
function isSendable(code: number | undefined): code is number {
  return (
    code !== undefined &&
    (code === 1000 || (code >= 1001 && code <= 1014 && code !== 1004) || code >= 3000) &&
    code !== 1005 &&
    code !== 1006
  );
}
