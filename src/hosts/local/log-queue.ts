import type { LogEntry } from "../../functions/log-entry.ts";

/** So many lines are kept for who has not read them yet; of more, the first ones are lost. */
const MAX_LINES = 10_000;

/** The lines of a run, on their way to who reads them. */
export class LogQueue implements AsyncIterable<LogEntry> {
  readonly #lines: LogEntry[] = [];
  readonly #readers: ((result: IteratorResult<LogEntry>) => void)[] = [];
  #hasEnded = false;

  push(entry: LogEntry): void {
    const reader = this.#readers.shift();
    if (reader !== undefined) reader({ value: entry, done: false });
    else if (this.#lines.push(entry) > MAX_LINES) this.#lines.shift();
  }

  /** No line will follow. */
  end(): void {
    this.#hasEnded = true;
    for (const reader of this.#readers.splice(0)) reader({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): AsyncIterator<LogEntry> {
    return { next: () => this.#next() };
  }

  #next(): Promise<IteratorResult<LogEntry>> {
    const entry = this.#lines.shift();
    if (entry !== undefined) return Promise.resolve({ value: entry, done: false });
    if (this.#hasEnded) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#readers.push(resolve));
  }
}
