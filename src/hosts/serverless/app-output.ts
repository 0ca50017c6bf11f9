import type { LogEntry } from "../../functions/log-entry.ts";
import { isForReaders } from "../../platform/deployment/application-logs.ts";
import { END_OF_OUTPUT } from "./server/call-protocol.ts";

/** The server says it once to each of the two. */
const STREAMS = 2;

/** What is printed by an app that answers one call, and when all of it has come. */
export class AppOutput {
  readonly #onLog: (entry: LogEntry) => void;
  #left = STREAMS;
  readonly #ended: Promise<void>;
  #end!: () => void;

  constructor(onLog: (entry: LogEntry) => void) {
    this.#onLog = onLog;
    this.#ended = new Promise((resolve) => (this.#end = resolve));
  }

  /** Takes a line, and passes it on unless it is the machinery's own. */
  tell(entry: LogEntry): void {
    if (entry.source === "USER" && entry.message === END_OF_OUTPUT) {
      this.#left--;
      if (this.#left === 0) this.#end();
    } else if (entry.source === "USER" || isForReaders(entry)) this.#onLog(entry);
  }

  /** Resolves when all that was printed before the call ended has come. It may never. */
  ended(): Promise<void> {
    return this.#ended;
  }
}
