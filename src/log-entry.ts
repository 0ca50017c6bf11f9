/** The origin of a line: the build of the environment, this package or the platform, or the user's function. */
export type LogSource = "BUILDER" | "BRIDGE" | "USER";

/** The level of a line. A function's own output has the name of its stream instead. */
export type LogLevel = "TRACE" | "DEBUG" | "INFO" | "WARNING" | "ERROR" | "STDOUT" | "STDERR";

/** One line of a run's output, or of the work done for the run. */
export interface LogEntry {
  /** The line, without its line feed. */
  readonly message: string;
  readonly source: LogSource;
  readonly level: LogLevel;
  /** When the line arrived. */
  readonly timestamp: Date;
}

/** A line with the current time. */
export function logEntry(message: string, source: LogSource, level: LogLevel): LogEntry {
  return { message, source, level, timestamp: new Date() };
}
