import { InvalidArgumentError, Option } from "commander";

const DAY_MS = 86_400_000;

/** The units of a span of time: its letter, its length in ms and its name. */
export const TIME_UNITS = [
  ["w", 7 * 86_400_000, "week"],
  ["d", 86_400_000, "day"],
  ["h", 3_600_000, "hour"],
  ["m", 60_000, "minute"],
] as const;

/** A port, 0 for any. @throws InvalidArgumentError, which the command line explains */
export function port(text: string): number {
  return wholeNumber(text, 0, 65_535);
}

/** A number of requests. @throws InvalidArgumentError */
export function requestCount(text: string): number {
  return wholeNumber(text, 1, Number.MAX_SAFE_INTEGER);
}

/** Spaces of indentation. @throws InvalidArgumentError */
export function indent(text: string): number {
  return wholeNumber(text, 0, 10);
}

/** All values of an option that can be given often, in their order. */
export function collected(value: string, others: readonly string[] = []): string[] {
  return [...others, value];
}

/** `--build-arg`, of whatever builds an image. */
export function buildArgOption(): Option {
  return new Option(
    "--build-arg <name=value>",
    "a value of an ARG of the Dockerfile, such as BASE_IMAGE; can be given often",
  ).argParser(collected);
}

/** A span of time such as "30d", in milliseconds. @throws InvalidArgumentError, which the command line explains */
export function timeSpan(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([mhdw])$/.exec(text) ?? [];
  const [, milliseconds] = TIME_UNITS.find(([letter]) => letter === unit) ?? [];
  if (milliseconds === undefined) {
    throw new InvalidArgumentError("It must be a number with m, h, d or w: 90m, 12h, 30d, 4w.");
  }
  return Number(amount) * milliseconds;
}

/** How many lines of a log are meant, and which. */
export interface LineChoice {
  readonly lines: number;
  /** The oldest ones in place of the newest. */
  readonly oldest: boolean;
}

/** "20" for the newest lines, "+20" for the oldest. @throws InvalidArgumentError */
export function lineChoice(text: string): LineChoice {
  const oldest = text.startsWith("+");
  return { lines: amount(oldest ? text.slice(1) : text), oldest };
}

/** A whole number from 0. @throws InvalidArgumentError, which the command line explains */
export function amount(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value <= 2 ** 31 - 1) return value;
  throw new InvalidArgumentError("It must be a whole number from 0.");
}

/** A time: a span before now such as "90s" or "30m", "now", or an ISO date. @throws InvalidArgumentError */
export function moment(text: string): Date {
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(Date.parse(text))) return new Date(text);
  if (text === "now") return new Date();
  const [, seconds] = /^(\d+(?:\.\d+)?)s$/.exec(text) ?? [];
  try {
    return new Date(Date.now() - (seconds === undefined ? timeSpan(text) : Number(seconds) * 1_000));
  } catch {
    throw new InvalidArgumentError(
      'It must be a span such as "30m" or "12h", or a time such as "2026-01-31T12:00Z".',
    );
  }
}

/** A time at most a day ago. @throws InvalidArgumentError */
export function recentMoment(text: string): Date {
  const time = moment(text);
  // A second for the time it takes to say "24h".
  if (Date.now() - time.getTime() <= DAY_MS + 1_000) return time;
  throw new InvalidArgumentError("It can be 24 hours ago at most.");
}

function wholeNumber(text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  const upTo = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new InvalidArgumentError(`It must be a whole number ${upTo}.`);
}
