/** A session or raw socket, as the server's stop sees it. */
export interface Stoppable {
  /** Finish what is being done, then end. */
  stop(): void;
  /** End now, with a close frame that says so. */
  abort(reason: unknown): void;
}

/** All open websockets of a server. */
export class Sessions {
  readonly #open = new Set<Stoppable>();
  readonly #max: number;
  #stopping = false;

  /** @param max so many may be open at a time. */
  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Whether one more may open. */
  get hasRoom(): boolean {
    return this.#open.size < this.#max;
  }

  add(session: Stoppable, finished: Promise<unknown>): void {
    this.#open.add(session);
    const remove = (): void => void this.#open.delete(session);
    finished.then(remove, remove);
    if (this.#stopping) session.stop();
  }

  /** Tells all to finish, and those that open from now on. */
  stop(): void {
    this.#stopping = true;
    for (const session of this.#open) session.stop();
  }

  /** Cuts all off. */
  abort(reason: unknown): void {
    for (const session of this.#open) session.abort(reason);
  }
}
