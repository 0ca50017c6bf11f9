import { pino, type Logger, type LoggerOptions } from "pino";

/** How log lines look. */
export interface LogOptions {
  /** "pretty" for people, "json" for machines. Default: pretty on a terminal. */
  format?: "pretty" | "json";
  /** Default: `LOG_LEVEL` from the environment, else "info". */
  level?: string;
}

/** The logger of a served app: one JSON line an event, or a readable one on a terminal. */
export async function createLogger(options: LogOptions = {}): Promise<Logger> {
  const level = options.level ?? process.env["LOG_LEVEL"] ?? "info";
  const format = options.format ?? (process.stdout.isTTY ? "pretty" : "json");
  if (format === "json") return jsonLogger(level);
  const { default: pretty } = await import("pino-pretty");
  const colorize = process.stdout.isTTY === true && !process.env["NO_COLOR"];
  // Written in this thread: a worker would lose the last lines of a process that ends.
  const stream = pretty({ colorize, sync: true, ignore: "pid,hostname", translateTime: "SYS:HH:MM:ss" });
  return pino(settings(level), stream);
}

/** One JSON line an event, to standard output. */
export function jsonLogger(level: string = process.env["LOG_LEVEL"] ?? "info"): Logger {
  return pino(settings(level));
}

function settings(level: string): LoggerOptions {
  return { level: pino.levels.values[level] === undefined && level !== "silent" ? "info" : level };
}
