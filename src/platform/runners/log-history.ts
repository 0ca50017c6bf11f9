import { PlatformError } from "../../errors.ts";
import { LineCounts, microsOf, type LogLine } from "./log-line.ts";
import type { LogPage, LogRange, RunnerLogSource } from "./log-source.ts";
import { Retries, type RetryOptions } from "../transport/retries.ts";

/** Maximum number of lines in a page. */
const PAGE_LINES = 1_000;
/** Minimum number of lines in a page: more than are written within one tick of the clock. */
const LEAST_LINES = 100;
/** Maximum number of pages in memory. */
const HELD_PAGES = 20;

/** A page that was fetched. */
interface ReadPage {
  readonly until: number | string | undefined;
  /** Lines at its end that the following page had as well. */
  readonly repeated: readonly LogLine[];
  /** The time of its oldest line. */
  readonly oldest: number;
  /** Newest first; undefined once released. */
  lines: readonly LogLine[] | undefined;
}

/**
 * The log of a time range. The control plane sends it in pages, newest first. Only a few pages are in memory at a time.
 */
export class LogHistory {
  readonly #source: RunnerLogSource;
  readonly #range: LogRange;
  readonly #signal: AbortSignal | undefined;
  readonly #tries: RetryOptions;

  constructor(source: RunnerLogSource, range: LogRange, signal?: AbortSignal, tries: RetryOptions = {}) {
    this.#source = source;
    this.#range = range;
    this.#signal = signal;
    this.#tries = tries;
  }

  /** All lines, the oldest first. */
  async *all(): AsyncGenerator<LogLine, void, undefined> {
    const pages: ReadPage[] = [];
    for await (const page of this.#backwards(PAGE_LINES)) {
      pages.push(page);
      // Fetched again when needed. Not the newest page, which may grow until then.
      const letGo = pages[pages.length - HELD_PAGES];
      if (letGo !== undefined && letGo !== pages[0]) letGo.lines = undefined;
    }
    for (let page = pages.pop(); page !== undefined; page = pages.pop()) {
      yield* (page.lines ?? (await this.#again(page))).toReversed();
    }
  }

  /** The newest lines, the oldest of them first. */
  async last(count: number): Promise<LogLine[]> {
    const lines: LogLine[] = [];
    if (count === 0) return lines;
    const size = Math.min(PAGE_LINES, Math.max(LEAST_LINES, count));
    for await (const page of this.#backwards(size)) {
      for (const line of page.lines ?? []) lines.push(line);
      if (lines.length >= count) break;
    }
    return lines.slice(0, count).toReversed();
  }

  /** The oldest lines, in their order. */
  async first(count: number): Promise<LogLine[]> {
    const lines: LogLine[] = [];
    if (count === 0) return lines;
    for await (const page of this.#backwards(PAGE_LINES)) {
      for (const line of page.lines ?? []) lines.push(line);
      if (lines.length > 2 * count + PAGE_LINES) lines.splice(0, lines.length - count);
    }
    return lines.slice(-count).toReversed();
  }

  /** The pages, the newest first. */
  async *#backwards(size: number): AsyncGenerator<ReadPage, void, undefined> {
    let until: number | string | undefined = this.#range.until;
    let repeated: readonly LogLine[] = [];
    for (;;) {
      const { lines, nextUntil } = await this.#page(until, size);
      const oldest = lines.reduce((least, { micros }) => Math.min(least, micros), Infinity);
      yield { until, repeated, oldest, lines: withoutRepeated(lines, repeated) };
      if (nextUntil === undefined) return;
      const next = microsOf(nextUntil) ?? -Infinity;
      if (this.#range.since !== undefined && next <= this.#range.since) return;
      const current = typeof until === "string" ? microsOf(until) : until;
      if (current !== undefined && next >= current) {
        throw new PlatformError(
          "PLATFORM_REFUSED",
          "The control plane's log does not continue after a page.",
        );
      }
      until = nextUntil;
      // The control plane may include the end of a range or exclude it.
      if (lines.length > 0) repeated = lines.filter(({ micros }) => micros === oldest);
    }
  }

  async #again({ until, repeated, oldest }: ReadPage): Promise<LogLine[]> {
    const { lines } = await this.#page(until, PAGE_LINES);
    return withoutRepeated(lines, repeated).filter(({ micros }) => micros >= oldest);
  }

  async #page(until: number | string | undefined, size: number): Promise<LogPage> {
    const tries = new Retries(this.#tries);
    for (;;) {
      try {
        return await this.#source.page(this.#range.since, until, size, this.#signal);
      } catch (error) {
        await tries.failed(error, this.#signal);
      }
    }
  }
}

function withoutRepeated(lines: readonly LogLine[], repeated: readonly LogLine[]): LogLine[] {
  const counts = new LineCounts(repeated);
  return lines.filter((line) => !counts.take(line));
}
