import type { Frame, FrameConnection } from "./connection.ts";
import type { SessionCounts } from "./route.ts";

/** The way out of a session: frames in order, as fast as the far end takes them. */
export class Outlet {
  readonly #connection: FrameConnection;
  readonly #signal: AbortSignal;
  readonly #counts: SessionCounts;

  constructor(connection: FrameConnection, signal: AbortSignal, counts: SessionCounts) {
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
