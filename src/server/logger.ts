import type { Logger, LoggerOptions } from "pino";
import { loadPino } from "./packages.ts";

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
  return loadPino().pino(settings(level), stream);
}

/** One JSON line an event, to standard output. */
export function jsonLogger(level: string = process.env["LOG_LEVEL"] ?? "info"): Logger {
  return loadPino().pino(settings(level));
}

function settings(level: string): LoggerOptions {
  const { levels } = loadPino().pino;
  return { level: levels.values[level] === undefined && level !== "silent" ? "info" : level };
}
