import { hostname } from "node:os";
import type { Logger, LoggerOptions } from "pino";
import { droppedMessage } from "../output/log-output.ts";
import { isCaptured } from "../output/serving-streams.ts";
import { standardOutput } from "../output/standard-output.ts";
import { escapeUnsafe, showControls } from "../output/visible-text.ts";
import { loadPino } from "./packages.ts";

/** The form of log lines. */
interface LogOptions {
  /** "pretty" for people, "json" for machines. Default: pretty on a terminal. */
  format?: "pretty" | "json";
  /** Default: `LOG_LEVEL` from the environment, otherwise "info". */
  level?: string;
}

/** Creates the logger of a served app: one JSON line per event, or a readable one on a terminal. */
export async function createLogger(options: LogOptions = {}): Promise<Logger> {
  const level = options.level ?? process.env["LOG_LEVEL"] ?? "info";
  const format = options.format ?? (process.stdout.isTTY ? "pretty" : "json");
  if (format === "json") return jsonLogger(level);
  const { prettyFactory } = await import("pino-pretty");
  const colorize = process.stdout.isTTY === true && !process.env["NO_COLOR"];
  const prettify = prettyFactory({ colorize, ignore: "pid,hostname", translateTime: "SYS:HH:MM:ss" });
  return create(level, (line) => prettify(showControls(line)) ?? "");
}

/** Creates a logger that writes one JSON line per event to standard output. */
export function jsonLogger(level: string = process.env["LOG_LEVEL"] ?? "info"): Logger {
  return create(level, escapeUnsafe);
}

function create(level: string, format: (line: string) => string): Logger {
  // Created eagerly: creating it on demand would delay the first line.
  const output = isCaptured(process.stdout) ? process.stdout : standardOutput();
  if ("notice" in output) output.notice = (count) => format(`${noticeLine(count)}\n`);
  const stream = {
    write: (line: string): void => void output.write(format(line)),
    ...("flushSync" in output ? { flushSync: () => output.flushSync() } : {}),
  };
  return loadPino().pino(settings(level), stream);
}

function noticeLine(count: number): string {
  const base = { level: 40, time: Date.now(), pid: process.pid, hostname: hostname() };
  return JSON.stringify({ ...base, msg: droppedMessage(count) });
}

function settings(level: string): LoggerOptions {
  const { levels } = loadPino().pino;
  return { level: levels.values[level] === undefined && level !== "silent" ? "info" : level };
}
