/** One message of a connection: text, or bytes. */
export type Frame = string | Uint8Array;

/** A duplex of frames, as a session sees it: a websocket, or a test's stand-in. */
export interface FrameConnection {
  /** Sends a frame. False when the far end is behind: wait for {@link drained} before the next. */
  send(frame: Frame): boolean;
  /** Resolves when the connection takes more, or has ended. */
  drained(): Promise<void>;
  /** Asks the far end for a sign of life. */
  ping(): void;
  /** Stops taking frames in; what the far end sends piles up there. */
  pause(): void;
  resume(): void;
  /** Ends the connection with a close frame. */
  close(code: number, reason?: string): void;
  /** Ends it without a word. */
  terminate(): void;
}

/** Codes of close frames that sessions end with. */
export const CLOSE_NORMAL = 1000;
/** The one code that tells a client to come back. */
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

  /** Sends a result. Undefined when the next may follow at once, else a promise to wait for. */
  send(frame: Frame): Promise<void> | undefined {
    if (this.#signal.aborted) return undefined;
    this.#counts.sent();
    return this.#connection.send(frame) ? undefined : this.#connection.drained();
  }

  /** Sends a control message. */
  control(text: string): void {
    if (!this.#signal.aborted) this.#connection.send(text);
  }
}
