/** A caller of a shared call. */
export interface SharedCaller<Line> {
  /** The caller leaves the call when this signal aborts. */
  readonly signal?: AbortSignal | undefined;
  readonly log?: ((line: Line) => void) | undefined;
}

/** Does the work. Its log lines reach every caller. */
export type SharedCallWork<Result, Line> = (
  signal: AbortSignal,
  log: (line: Line) => void,
) => Promise<Result>;

/**
 * A call whose result several callers wait for. Each caller may leave; when the last one has left, the call is aborted.
 */
export class SharedCall<Result, Line> {
  readonly #abort = new AbortController();
  readonly #callers = new Set<SharedCaller<Line>>();
  readonly #result: Promise<Result>;
  #isOver = false;

  constructor(work: SharedCallWork<Result, Line>) {
    const log = (line: Line): void => {
      for (const caller of this.#callers) caller.log?.(line);
    };
    // Starts in a later turn, so that the first caller has joined and receives the first line.
    this.#result = Promise.resolve()
      .then(() => {
        this.#abort.signal.throwIfAborted();
        return work(this.#abort.signal, log);
      })
      .finally(() => (this.#isOver = true));
    this.#result.catch(() => {}); // reported to each caller
  }

  /** Whether no caller can join any more, because the call has ended or is being aborted. */
  get isClosed(): boolean {
    return this.#isOver || this.#abort.signal.aborted;
  }

  /** Resolves when the call has ended, successfully or not. */
  async settled(): Promise<void> {
    await this.#result.catch(() => {});
  }

  /** Waits for the result. Rejects with the call's failure, or with the reason of the caller's own signal. */
  async join(caller: SharedCaller<Line>): Promise<Result> {
    const { signal } = caller;
    if (signal?.aborted === true) {
      if (this.#callers.size === 0) this.#abort.abort(signal.reason);
      throw signal.reason;
    }
    this.#callers.add(caller);
    let leave: (() => void) | undefined;
    const left = new Promise<never>((_resolve, reject) => {
      leave = () => {
        this.#callers.delete(caller);
        if (this.#callers.size > 0) return reject(signal?.reason);
        // The last caller waits for the cleanup, so that no work continues after its promise has settled.
        this.#abort.abort(signal?.reason);
        void this.settled().then(() => reject(signal?.reason));
      };
      signal?.addEventListener("abort", leave, { once: true });
    });
    try {
      const result = await Promise.race([this.#result, left]);
      // The call may succeed although the last caller has left.
      signal?.throwIfAborted();
      return result;
    } finally {
      this.#callers.delete(caller);
      if (leave !== undefined) signal?.removeEventListener("abort", leave);
    }
  }
}

/** Lets concurrent callers with the same key share one call. */
export class SingleFlight<Key extends object, Result, Line> {
  readonly #calls = new WeakMap<Key, SharedCall<Result, Line>>();

  /** Joins the running call of a key, or starts one. */
  run(key: Key, caller: SharedCaller<Line>, work: SharedCallWork<Result, Line>): Promise<Result> {
    let call = this.#calls.get(key);
    if (call === undefined || call.isClosed) {
      call = new SharedCall(work);
      this.#calls.set(key, call);
    }
    return call.join(caller);
  }
}

/** Calls `load` once for each key: later callers get the same promise, until it fails. */
export function loadOnce<Key, Result>(
  results: Map<Key, Promise<Result>>,
  key: Key,
  load: () => Promise<Result>,
): Promise<Result> {
  let result = results.get(key);
  if (result === undefined) {
    result = load();
    results.set(key, result);
    result.catch(() => results.delete(key));
  }
  return result;
}
