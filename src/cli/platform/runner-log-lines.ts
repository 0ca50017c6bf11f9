import { once } from "node:events";
import { plainLine } from "../../platform/transport/plain-line.ts";
import type { RunnerLog } from "../../platform/runners/runner-logs.ts";
import { styleFor, type Paint, type TerminalStyle } from "../style.ts";
import { terminalText } from "./output.ts";

/** The length of the longest common level: "WARNING". */
const LEVEL_WIDTH = 7;

/** A line; those of several runners have the id of theirs. */
type ShownLog = RunnerLog & { readonly runnerId?: string };

/** Characters of a runner's id that are shown. */
const ID_WIDTH = 8;

/** Prints log lines as they arrive, as text or JSON. Waits while the output is full. @throws the signal's reason */
export async function printRunnerLogs(
  logs: AsyncIterable<ShownLog>,
  isJson: boolean,
  signal: AbortSignal,
): Promise<void> {
  const style = styleFor(process.stdout);
  for await (const log of logs) {
    const text = isJson ? jsonOf(log) : runnerLogText(log, style);
    if (process.stdout.write(`${text}\n`)) continue;
    await once(process.stdout, "drain", { signal }).catch(() => signal.throwIfAborted());
  }
}

/** Prints all log lines as one JSON object, newest first. */
export async function printLogsObject(logs: AsyncIterable<RunnerLog>): Promise<void> {
  const lines: RunnerLog[] = [];
  for await (const log of logs) lines.push(log);
  console.log(JSON.stringify({ logs: lines.toReversed() }));
}

function jsonOf({ runnerId, ...log }: ShownLog): string {
  return JSON.stringify({ ...log, runner_id: runnerId });
}

/** Formats a log line: local time, level, runner, message. Further lines of the message are indented. */
export function runnerLogText(
  { timestamp, level, message, runnerId }: ShownLog,
  style: TerminalStyle,
): string {
  const text = terminalText(message).replaceAll("\n", "\n  ");
  const paint = paintOf(level, style);
  const runner = runnerId === undefined ? "" : `${style.dim(plainLine(runnerId).slice(0, ID_WIDTH))} `;
  return `${style.dim(localTime(timestamp))} ${paint(plainLine(level).padEnd(LEVEL_WIDTH))} ${runner}${text}`;
}

/** `2026-01-31 13:00:00.250`, in the time zone of this machine. */
function localTime(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join("-");
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":");
  return `${date} ${clock}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

function paintOf(level: string, { red, yellow, dim }: TerminalStyle): Paint {
  if (/^(?:ERROR|CRITICAL|FATAL|STDERR)$/.test(level)) return red;
  if (/^WARN(?:ING)?$/.test(level)) return yellow;
  return /^(?:DEBUG|TRACE)$/.test(level) ? dim : String;
}
