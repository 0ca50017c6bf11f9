/** A message of a connection: text or bytes. */
export type Frame = string | Uint8Array;

/** A bidirectional connection for frames: a websocket, or a fake one in tests. */
export interface FrameConnection {
  /**
   * Sends a frame. Returns false under back-pressure: wait for {@link drained} before the next one.
   * @param isLast whether to write it at once: no other frame is expected in this turn. Default false
   */
  send(frame: Frame, isLast?: boolean): boolean;
  /** Resolves when the connection accepts more frames, or has ended. */
  drained(): Promise<void>;
  /** Sends a ping. */
  ping(): void;
  /** Stops reading frames, which puts back-pressure on the peer. */
  pause(): void;
  resume(): void;
  /** Closes the connection with a close frame. */
  close(code: number, reason?: string): void;
  /** Closes the connection immediately, without a close frame. */
  terminate(): void;
}

/** Code of the close frame of a session that ends normally, or by an error or timeout. */
export const CLOSE_NORMAL = 1000;
/** Code of the close frame of a server that stops: clients should reconnect. */
export const CLOSE_RESTART = 1012;

/** The outgoing side of a session: sends frames in order, and reports back-pressure. */
export class FrameSink {
  readonly #connection: FrameConnection;
  readonly #signal: AbortSignal;
  readonly #counts: { sent(): void };

  constructor(connection: FrameConnection, signal: AbortSignal, counts: { sent(): void }) {
    this.#connection = connection;
    this.#signal = signal;
    this.#counts = counts;
  }

  /** Sends a result. Returns a promise to wait for under back-pressure, otherwise undefined. */
  send(frame: Frame, isLast = false): Promise<void> | undefined {
    if (this.#signal.aborted) return undefined;
    this.#counts.sent();
    return this.#connection.send(frame, isLast) ? undefined : this.#connection.drained();
  }

  /** Sends a control message. */
  control(text: string): void {
    if (!this.#signal.aborted) this.#connection.send(text);
  }
}
