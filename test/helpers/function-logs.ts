import { LocalHost } from "../../src/hosts/local/local-host.ts";
import type { LogEntry } from "../../src/functions/log-entry.ts";

/** A host on this machine that keeps the lines of its functions. */
export class LoggedHost {
  readonly host: LocalHost;
  readonly entries: LogEntry[] = [];
  readonly #watchers = new Set<() => void>();

  constructor() {
    this.host = new LocalHost({
      onLog: (entry) => {
        this.entries.push(entry);
        for (const look of this.#watchers) look();
      },
    });
  }

  /**
   * Resolves with what the pattern found in a line, once there is one. Lines that were there before count, too. It keeps
   * this process, which a worker that is being ended does not.
   */
  said(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#watchers.delete(look);
        reject(new Error(`${PATIENCE_MS} ms passed before a line fitted ${String(pattern)}`));
      }, PATIENCE_MS);
      const look = (): void => {
        for (const { message } of this.entries.slice(from)) {
          const found = pattern.exec(message);
          if (found === null) continue;
          clearTimeout(timer);
          this.#watchers.delete(look);
          resolve(found);
          return;
        }
      };
      this.#watchers.add(look);
      look();
    });
  }

  /** The pid of a worker that says it, in a line "pid N". */
  async pid(from = 0): Promise<number> {
    return Number((await this.said(/^pid (\d+)$/, from))[1]);
  }
}

/** Longer than any step takes on a busy machine. */
const PATIENCE_MS = 30_000;
