/** A session or raw socket that can be stopped with the server. */
interface Stoppable {
  /** Finishes the current work, then closes. */
  stop(): void;
  /** Closes immediately, with a close frame that gives the reason. */
  abort(reason: unknown): void;
}

/** All open websockets of a server. */
export class Sessions {
  readonly #open = new Set<Stoppable>();
  readonly #max: number;
  #stopping = false;

  /** @param max maximum number of open websockets */
  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Whether another websocket may open. */
  get hasRoom(): boolean {
    return this.#open.size < this.#max;
  }

  add(session: Stoppable, finished: Promise<unknown>): void {
    this.#open.add(session);
    const remove = (): void => void this.#open.delete(session);
    finished.then(remove, remove);
    if (this.#stopping) session.stop();
  }

  /** Stops all sessions, and those that open later. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const session of this.#open) session.stop();
  }

  /** Aborts all sessions. */
  abort(reason: unknown): void {
    for (const session of this.#open) session.abort(reason);
  }
}
