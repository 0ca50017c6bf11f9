import { GRANT } from "./stream-window.ts";

type Waiting = { resolve(result: IteratorResult<unknown, undefined>): void; reject(error: unknown): void };

/** Options of {@link RemoteItems}. */
export interface RemoteItemsParts {
  /** Allows the worker to send more items. */
  grant(count: number): void;
  /** The deadline of an item that is waited for from now on; Infinity for no limit. */
  deadline(): number;
}

/** The main process's side of a stream in a worker: its items, in order, as they arrive. */
export class RemoteItems implements AsyncIterableIterator<unknown, undefined> {
  readonly #parts: RemoteItemsParts;
  readonly #arrived: unknown[] = [];
  readonly #onEnd: (() => void)[] = [];
  #waiting: Waiting | undefined;
  #taken = 0;
  #end: { readonly error: unknown; readonly isFailure: boolean } | undefined;
  #isClosed = false;
  #finishBy = Infinity;

  constructor(parts: RemoteItemsParts) {
    this.#parts = parts;
  }

  /** Deadline of the item that is waited for, or of the end of a closed stream; Infinity if none is. */
  get finishBy(): number {
    return this.#finishBy;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#arrived.length > 0) {
      const value = this.#arrived.shift();
      this.#count();
      return Promise.resolve({ done: false, value });
    }
    const end = this.#end;
    if (end !== undefined) {
      this.#end = { error: undefined, isFailure: false };
      return end.isFailure ? Promise.reject(end.error) : Promise.resolve({ done: true, value: undefined });
    }
    this.#finishBy = this.#parts.deadline();
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }

  /**
   * Drops the items that have not been taken, and resolves once the worker has closed its generator. The abort of
   * the request's signal makes it close.
   */
  async return(): Promise<IteratorResult<unknown, undefined>> {
    this.#isClosed = true;
    this.#arrived.length = 0;
    if (this.#end === undefined) {
      if (this.#finishBy === Infinity) this.#finishBy = this.#parts.deadline();
      await new Promise<void>((resolve) => this.#onEnd.push(resolve));
    }
    return { done: true, value: undefined };
  }

  /** Adds an item that has arrived. */
  push(value: unknown): void {
    if (this.#isClosed) return;
    const waiting = this.#waiting;
    if (waiting === undefined) {
      this.#arrived.push(value);
      return;
    }
    this.#waiting = undefined;
    this.#finishBy = Infinity;
    this.#count();
    waiting.resolve({ done: false, value });
  }

  /** Ends the stream after the items that have arrived. */
  end(): void {
    this.#finish({ error: undefined, isFailure: false });
  }

  /** Lets the stream fail after the items that have arrived. */
  fail(error: unknown): void {
    this.#finish({ error, isFailure: true });
  }

  #finish(end: { readonly error: unknown; readonly isFailure: boolean }): void {
    this.#end = end;
    this.#finishBy = Infinity;
    for (const resolve of this.#onEnd) resolve();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return;
    this.#end = { error: undefined, isFailure: false };
    if (end.isFailure) waiting.reject(end.error);
    else waiting.resolve({ done: true, value: undefined });
  }

  #count(): void {
    if (++this.#taken % GRANT === 0) this.#parts.grant(GRANT);
  }
}
