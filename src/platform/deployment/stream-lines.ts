import { applicationLog, type ApplicationLog } from "./application-logs.ts";
import type { Log } from "../generated/common_pb.ts";
import { plainLine } from "../transport/plain-line.ts";

/** The lines of one stream: passed on, and the one that most likely says why it failed kept. */
export class StreamLines {
  readonly #onLog: ((log: ApplicationLog) => void) | undefined;
  #last = "";
  #error = "";

  constructor(onLog: ((log: ApplicationLog) => void) | undefined) {
    this.#onLog = onLog;
  }

  tell(logs: readonly Log[]): void {
    for (const log of logs) {
      const entry = applicationLog(log);
      const line = plainLine(entry.message);
      if (line !== "") this.#last = line;
      if (line !== "" && entry.level === "ERROR") this.#error = line;
      this.#onLog?.(entry);
    }
  }

  /** To be put behind what failed. */
  reason(): string {
    const line = this.#error || this.#last;
    return line === "" ? "." : `: ${/[.!?…]$/.test(line) ? line : `${line}.`}`;
  }
}
