/** One line of a runner's log. */
export interface RunnerLog {
  readonly timestamp: Date;
  /** The level, in capital letters: "INFO", "ERROR". For output of the app it may be the name of the stream. */
  readonly level: string;
  /** The line, without its line break. Untrusted: escape it before showing it on a terminal. */
  readonly message: string;
}

/** A line with its time in microseconds. */
export interface LogLine {
  readonly log: RunnerLog;
  /** Microseconds since 1970. */
  readonly micros: number;
}

/** Parses a line of the REST API; undefined if it is invalid. A line without a time gets the present one. */
export function logLine(value: unknown): LogLine | undefined {
  if (typeof value !== "object" || value === null || !("message" in value)) return undefined;
  const { message, level, timestamp } = value as Record<string, unknown>;
  const micros = microsOf(timestamp) ?? microsOfDate(new Date());
  const text = typeof message === "string" ? message : JSON.stringify(message ?? "");
  return {
    log: {
      timestamp: new Date(Math.floor(micros / 1_000)),
      level: typeof level === "string" && level !== "" ? level.toUpperCase() : "INFO",
      message: text.replace(/\r?\n$/, ""),
    },
    micros,
  };
}

/** The identity of a line: equal for a repeated line. */
function lineKey({ micros, log: { level, message } }: LogLine): string {
  return `${micros} ${level} ${message}`;
}

/** Counts equal lines. */
export class LineCounts {
  readonly #counts = new Map<string, number>();

  constructor(lines: Iterable<LogLine> = []) {
    for (const line of lines) {
      const key = lineKey(line);
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    }
  }

  /** Removes one such line; false if there is none. */
  take(line: LogLine): boolean {
    const key = lineKey(line);
    const count = this.#counts.get(key) ?? 0;
    if (count <= 1) this.#counts.delete(key);
    else this.#counts.set(key, count - 1);
    return count > 0;
  }
}

/** Microseconds since 1970 of an ISO time, in UTC by default. Undefined if it is invalid. */
export function microsOf(text: unknown): number | undefined {
  if (typeof text !== "string") return undefined;
  const [, date, time, fraction = "", zone = "Z"] =
    /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:?\d\d)?$/i.exec(text) ?? [];
  if (date === undefined || time === undefined) return undefined;
  const offset = zone.toUpperCase().replace(/^([+-]\d\d)(\d\d)$/, "$1:$2");
  const ms = Date.parse(`${date}T${time}${offset}`);
  return Number.isNaN(ms) ? undefined : ms * 1_000 + Number(fraction.slice(0, 6).padEnd(6, "0"));
}

/** The same of a `Date`. */
export function microsOfDate(date: Date): number {
  return date.getTime() * 1_000;
}

/** The ISO time of microseconds since 1970. */
export function isoOfMicros(micros: number): string {
  const seconds = Math.floor(micros / 1_000_000);
  const fraction = String(micros - seconds * 1_000_000).padStart(6, "0");
  return new Date(seconds * 1_000).toISOString().replace(/\.\d+Z$/, `.${fraction}Z`);
}
