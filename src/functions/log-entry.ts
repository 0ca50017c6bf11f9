/** Who wrote a line: the one who builds the environment, the machinery in between, or the user's function. */
export type LogSource = "BUILDER" | "BRIDGE" | "USER";

/** What a line is. A function's own output has the name of the stream it was written to. */
export type LogLevel = "TRACE" | "DEBUG" | "INFO" | "WARNING" | "ERROR" | "STDOUT" | "STDERR";

/** One line of what a run printed, or of what was done for it. */
export interface LogEntry {
  /** The line, without its end. */
  readonly message: string;
  readonly source: LogSource;
  readonly level: LogLevel;
  /** When it arrived. */
  readonly timestamp: Date;
}

/** A line of now. */
export function logEntry(message: string, source: LogSource, level: LogLevel): LogEntry {
  return { message, source, level, timestamp: new Date() };
}
