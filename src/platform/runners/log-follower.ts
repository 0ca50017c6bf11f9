import { LineCounts, type LogLine } from "./log-line.ts";
import type { LogRange, LogSource } from "./log-source.ts";
import { Retries, type RetryOptions } from "../transport/retries.ts";

/** How far back lines are remembered, in microseconds, to know them when a stream that was opened again repeats them. */
const REMEMBERED_MICROS = 1_000_000;
/** More lines are not remembered. */
const REMEMBERED_LINES = 10_000;
/** A stream is opened again a little before its last line, in microseconds: others may have the same time. */
const OVERLAP_MICROS = 1_000;
/** A stream that lasted as long was a good one, in milliseconds. */
const GOOD_MS = 30_000;

/** Follows a log from a time on, across streams that break: each line once. */
export class LogFollower {
  readonly #source: LogSource;
  readonly #range: LogRange;
  readonly #options: RetryOptions;
  readonly #recent: LogLine[] = [];
  #newest: number | undefined;

  constructor(source: LogSource, range: LogRange, options: RetryOptions = {}) {
    this.#source = source;
    this.#range = range;
    this.#options = options;
  }

  /** From when on there may be lines that were not passed on yet, in microseconds since 1970. */
  get since(): number | undefined {
    const { since } = this.#range;
    if (this.#newest === undefined) return since;
    return Math.max(this.#newest - OVERLAP_MICROS, since ?? -Infinity);
  }

  /** Remembers a line that was passed on. */
  remember(line: LogLine): void {
    this.#newest = Math.max(this.#newest ?? -Infinity, line.micros);
    this.#recent.push(line);
    const oldest = this.#newest - REMEMBERED_MICROS;
    while (this.#recent.length > REMEMBERED_LINES || (this.#recent[0]?.micros ?? Infinity) < oldest) {
      this.#recent.shift();
    }
  }

  /** Those of the lines that were not passed on yet, which are remembered. */
  async *onlyNew(lines: AsyncIterable<LogLine>): AsyncGenerator<LogLine, void, undefined> {
    const known = new LineCounts(this.#recent);
    for await (const line of lines) {
      if (known.take(line)) continue;
      this.remember(line);
      yield line;
    }
  }

  /** The lines, until the stream ends or the signal aborts. A stream that breaks is opened again, five times in a row. */
  async *lines(signal: AbortSignal): AsyncGenerator<LogLine, void, undefined> {
    const tries = new Retries(this.#options);
    const { until } = this.#range;
    for (;;) {
      const openedAt = performance.now();
      try {
        const stream = this.#source.stream({ since: this.since, until }, signal);
        for await (const line of this.onlyNew(stream)) {
          if (until !== undefined && line.micros > until) return;
          tries.reset();
          yield line;
        }
        return;
      } catch (error) {
        if (performance.now() - openedAt > GOOD_MS) tries.reset();
        await tries.failed(error, signal);
      }
    }
  }
}
