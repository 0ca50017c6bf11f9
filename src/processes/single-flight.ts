/** One who waits for a piece of work. */
export interface Participant<Line> {
  readonly signal?: AbortSignal | undefined;
  readonly log?: ((line: Line) => void) | undefined;
}

/** A piece of work that several wait for. Each may leave; with the last one it is aborted. */
export class SharedWork<Result, Line> {
  readonly #abort = new AbortController();
  readonly #participants = new Set<Participant<Line>>();
  readonly #result: Promise<Result>;
  #isOver = false;

  constructor(work: (signal: AbortSignal, log: (line: Line) => void) => Promise<Result>) {
    const log = (line: Line): void => {
      for (const participant of this.#participants) participant.log?.(line);
    };
    // Not at once: the first participant has yet to join, and is to hear the first line.
    this.#result = Promise.resolve()
      .then(() => {
        this.#abort.signal.throwIfAborted();
        return work(this.#abort.signal, log);
      })
      .finally(() => (this.#isOver = true));
    this.#result.catch(() => {}); // each participant is told by itself
  }

  /** Whether nobody can join any more: it has ended, or is being aborted. */
  get isClosed(): boolean {
    return this.#isOver || this.#abort.signal.aborted;
  }

  /** Resolves when the work has ended, however it did. */
  async settled(): Promise<void> {
    await this.#result.catch(() => {});
  }

  /** Waits for the work. Rejects with its failure, or with the reason of the participant's own signal. */
  async join(participant: Participant<Line>): Promise<Result> {
    const { signal } = participant;
    if (signal?.aborted === true) {
      if (this.#participants.size === 0) this.#abort.abort(signal.reason); // nobody waits for it
      throw signal.reason;
    }
    this.#participants.add(participant);
    let leave: (() => void) | undefined;
    const left = new Promise<never>((_resolve, reject) => {
      leave = () => {
        this.#participants.delete(participant);
        // The last one waits until all is put away, so that nothing goes on behind its back.
        if (this.#participants.size > 0) return reject(signal?.reason);
        this.#abort.abort(signal?.reason);
        void this.settled().then(() => reject(signal?.reason));
      };
      signal?.addEventListener("abort", leave, { once: true });
    });
    try {
      const result = await Promise.race([this.#result, left]);
      // It may be done although the last one has left.
      signal?.throwIfAborted();
      return result;
    } finally {
      this.#participants.delete(participant);
      if (leave !== undefined) signal?.removeEventListener("abort", leave);
    }
  }
}
