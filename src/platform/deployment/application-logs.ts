import { timestampDate } from "@bufbuild/protobuf/wkt";
import { plainLine } from "../transport/plain-line.ts";
import { LogLevel, LogSource, type Log } from "../generated/common_pb.ts";

/** One line that a control plane passed on. */
export interface ApplicationLog {
  /** The line, without its end. Its text is somebody else's: not to be shown without care on a terminal. */
  readonly message: string;
  /** Who wrote it: the build of the image, the machinery around the app, or the app. */
  readonly source: "BUILDER" | "BRIDGE" | "USER";
  /** How much it matters; the app's own output has the name of its stream. */
  readonly level: "TRACE" | "DEBUG" | "INFO" | "WARNING" | "ERROR" | "STDOUT" | "STDERR";
  /** When it was written; when it came, if nothing was said of that. */
  readonly timestamp: Date;
}

/** Reads a line of the protocol. A level or source that is not known here is INFO, and the machinery's. */
export function applicationLog({ message, source, level, timestamp }: Log): ApplicationLog {
  return {
    message: message.replace(/\r?\n$/, ""),
    source: (LogSource[source] as ApplicationLog["source"] | undefined) ?? "BRIDGE",
    level: (LogLevel[level] as ApplicationLog["level"] | undefined) ?? "INFO",
    timestamp: timestamp === undefined ? new Date() : timestampDate(timestamp),
  };
}

/** Whether a line is for everybody, not only for who looks for a fault. */
export function isForReaders({ level, message }: ApplicationLog): boolean {
  if (level === "TRACE" || level === "DEBUG") return false;
  // Pages of the service that builds images, which open for its own people alone.
  return !/https?:\/\/[\w.-]*\bdepot\.dev\b/.test(message);
}

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
