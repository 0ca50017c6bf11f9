import type { LogEntry } from "./log-entry.ts";

/** A run that was started and is not waited for. */
export interface SpawnInfo<Result = unknown> {
  /**
   * What the run prints, line by line, from its first line on; ends with the run. Lines that nobody reads are kept,
   * the last 10,000 of them.
   */
  readonly logs: AsyncIterable<LogEntry>;
  /** What the function returns. Rejects as a call of the function does; nobody has to listen. */
  readonly result: Promise<Result>;
  /** Where a served function can be reached; undefined for one that is not served. Rejects if it can't be started. */
  readonly url: Promise<string | undefined>;
  readonly stream: {
    /** Ends the run. `result` rejects with the reason, by default a `RequestCancelledException`. */
    cancel(reason?: unknown): void;
  };
}
