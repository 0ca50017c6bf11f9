import type { LogEntry } from "../../log-entry.ts";

/** Lines on their way to a reader that may be slower. */
export class LineQueue {
  readonly #lines: LogEntry[] = [];
  #isEnded = false;
  #wake: (() => void) | undefined;

  push(line: LogEntry): void {
    this.#lines.push(line);
    this.#wake?.();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  /** The lines until the end, or until the reader has left. */
  async *read(signal: AbortSignal): AsyncGenerator<LogEntry> {
    const wake = (): void => this.#wake?.();
    signal.addEventListener("abort", wake, { once: true });
    try {
      while (!signal.aborted) {
        const line = this.#lines.shift();
        if (line !== undefined) {
          yield line;
          continue;
        }
        if (this.#isEnded) return;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }
}
