import { timestampDate } from "@bufbuild/protobuf/wkt";
import { plainLine } from "../transport/plain-line.ts";
import { LogLevel, LogSource, type Log } from "../generated/common_pb.ts";

/** A log line from a control plane. */
export interface ApplicationLog {
  /** The line without its line break. Untrusted text: escape it before printing it on a terminal. */
  readonly message: string;
  /** The writer: the image build, the platform, or the app. */
  readonly source: "BUILDER" | "BRIDGE" | "USER";
  /** The severity, or the stream for output of the app. */
  readonly level: "TRACE" | "DEBUG" | "INFO" | "WARNING" | "ERROR" | "STDOUT" | "STDERR";
  /** The time of writing; the time of arrival if the control plane did not report it. */
  readonly timestamp: Date;
}

/** Decodes a line of the protocol. An unknown level becomes INFO, an unknown source BRIDGE. */
function applicationLog({ message, source, level, timestamp }: Log): ApplicationLog {
  return {
    message: message.replace(/\r?\n$/, ""),
    source: (LogSource[source] as ApplicationLog["source"] | undefined) ?? "BRIDGE",
    level: (LogLevel[level] as ApplicationLog["level"] | undefined) ?? "INFO",
    timestamp: timestamp === undefined ? new Date() : timestampDate(timestamp),
  };
}

/** Whether a line is of interest outside debugging. */
export function isForReaders({ level, message }: ApplicationLog): boolean {
  if (level === "TRACE" || level === "DEBUG") return false;
  // Links to pages of the build service, which only its staff can open.
  return !/https?:\/\/[\w.-]*\bdepot\.dev\b/.test(message);
}

/** Forwards the lines of a stream and keeps the line that most likely explains a failure. */
export class StreamLines {
  readonly #onLog: ((log: ApplicationLog) => void) | undefined;
  #last = "";
  #error = "";

  constructor(onLog: ((log: ApplicationLog) => void) | undefined) {
    this.#onLog = onLog;
  }

  forward(logs: readonly Log[]): void {
    for (const log of logs) {
      const entry = applicationLog(log);
      const line = plainLine(entry.message);
      if (line !== "") this.#last = line;
      if (line !== "" && entry.level === "ERROR") this.#error = line;
      this.#onLog?.(entry);
    }
  }

  /** The end of a message about a failure: the kept line, or a full stop. */
  reason(): string {
    const line = this.#error || this.#last;
    return line === "" ? "." : `: ${/[.!?…]$/.test(line) ? line : `${line}.`}`;
  }
}
