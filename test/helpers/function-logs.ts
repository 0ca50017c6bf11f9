import { LocalHost } from "../../src/hosts/local/local-host.ts";
import type { LogEntry } from "../../src/log-entry.ts";

/** A local host that records the log lines of its functions. */
export class LoggedHost {
  readonly host: LocalHost;
  readonly entries: LogEntry[] = [];
  readonly #watchers = new Set<() => void>();

  constructor() {
    this.host = new LocalHost({
      onLog: (entry) => {
        this.entries.push(entry);
        for (const check of this.#watchers) check();
      },
    });
  }

  /**
   * Resolves with the match of the first line that matches, including earlier lines. The wait keeps this process
   * alive, unlike a worker that is ending.
   */
  said(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#watchers.delete(check);
        reject(new Error(`${PATIENCE_MS} ms passed before a line fitted ${String(pattern)}`));
      }, PATIENCE_MS);
      const check = (): void => {
        for (const { message } of this.entries.slice(from)) {
          const found = pattern.exec(message);
          if (found === null) continue;
          clearTimeout(timer);
          this.#watchers.delete(check);
          resolve(found);
          return;
        }
      };
      this.#watchers.add(check);
      check();
    });
  }

  /** The pid of a worker that prints it as "pid N". */
  async pid(from = 0): Promise<number> {
    return Number((await this.said(/^pid (\d+)$/, from))[1]);
  }
}

/** Longer than any step takes on a busy machine. */
const PATIENCE_MS = 30_000;
