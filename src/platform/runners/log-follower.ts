import { LineCounts, type LogLine } from "./log-line.ts";
import type { LogRange, RunnerLogSource } from "./log-source.ts";
import { Retries, type RetryOptions } from "../transport/retries.ts";

/** How far back lines are remembered, in microseconds, to skip them if a reopened stream repeats them. */
const REMEMBERED_MICROS = 1_000_000;
/** Maximum number of remembered lines. */
const REMEMBERED_LINES = 10_000;
/** A stream is reopened this much before its last line, in microseconds: further lines may have the same time. */
const OVERLAP_MICROS = 1_000;
/** A stream that lasted this long resets the retries, in ms. */
const GOOD_MS = 30_000;

/** Follows a log from a time on, reopening broken streams. Yields each line once. */
export class LogFollower {
  readonly #source: RunnerLogSource;
  readonly #range: LogRange;
  readonly #options: RetryOptions;
  readonly #recent: LogLine[] = [];
  #newest: number | undefined;

  constructor(source: RunnerLogSource, range: LogRange, options: RetryOptions = {}) {
    this.#source = source;
    this.#range = range;
    this.#options = options;
  }

  /** The time from which lines may be new, in microseconds since 1970. */
  get since(): number | undefined {
    const { since } = this.#range;
    if (this.#newest === undefined) return since;
    return Math.max(this.#newest - OVERLAP_MICROS, since ?? -Infinity);
  }

  /** Remembers a line that was yielded. */
  remember(line: LogLine): void {
    this.#newest = Math.max(this.#newest ?? -Infinity, line.micros);
    this.#recent.push(line);
    const oldest = this.#newest - REMEMBERED_MICROS;
    while (this.#recent.length > REMEMBERED_LINES || (this.#recent[0]?.micros ?? Infinity) < oldest) {
      this.#recent.shift();
    }
  }

  /** Yields the lines that were not yielded before, and remembers them. */
  async *onlyNew(lines: AsyncIterable<LogLine>): AsyncGenerator<LogLine, void, undefined> {
    const known = new LineCounts(this.#recent);
    for await (const line of lines) {
      if (known.take(line)) continue;
      this.remember(line);
      yield line;
    }
  }

  /** Yields the lines, until the stream ends or the signal aborts. A broken stream is reopened, five times in a row at most. */
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
