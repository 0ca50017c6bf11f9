import { InvalidArgumentError, Option } from "commander";
import { AUTH_MODES, STRATEGIES } from "../settings/app-values.ts";
import { SETTINGS } from "../settings/settings.ts";

const DAY_MS = 86_400_000;

/** The units of a span of time: its letter, its length in ms and its name. */
export const TIME_UNITS = [
  ["w", 7 * 86_400_000, "week"],
  ["d", 86_400_000, "day"],
  ["h", 3_600_000, "hour"],
  ["m", 60_000, "minute"],
] as const;

/** Parses a number of spaces, at most 10. @throws InvalidArgumentError */
export function indent(text: string): number {
  return wholeNumber(text, 0, 10);
}

/** Collects the values of an option that can be repeated, in order. */
export function collected(value: string, others: readonly string[] = []): string[] {
  return [...others, value];
}

/** The option `--build-arg` of each command that builds an image. */
export function buildArgOption(): Option {
  return new Option(
    "--build-arg <name=value>",
    "a value of an ARG of the Dockerfile, such as BASE_IMAGE; can be given often",
  ).argParser(collected);
}

/** The option `--auth` of each command that sets who may call an app. @param byDefault the value if it is omitted */
export function authOption(byDefault: string): Option {
  return new Option("--auth <mode>", `${SETTINGS.appAuth.doc} (default: ${byDefault})`).choices(AUTH_MODES);
}

/** The option `--strategy` of each command that replaces an app's runners. */
export function strategyOption(): Option {
  return new Option(
    "--strategy <strategy>",
    "whether old runners end once new ones are ready, or first",
  ).choices(STRATEGIES);
}

/** Parses a time span such as "30d". Returns ms. @throws InvalidArgumentError */
export function timeSpan(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([mhdw])$/.exec(text) ?? [];
  const [, milliseconds] = TIME_UNITS.find(([letter]) => letter === unit) ?? [];
  if (milliseconds === undefined) {
    throw new InvalidArgumentError("It must be a number with m, h, d or w: 90m, 12h, 30d, 4w.");
  }
  return Number(amount) * milliseconds;
}

/** How many lines of a log to print, from which end. */
export interface LineChoice {
  readonly lines: number;
  /** Take the oldest lines instead of the newest. */
  readonly oldest: boolean;
}

/** Parses `--lines`: "20" for the newest lines, "+20" for the oldest. @throws InvalidArgumentError */
export function lineChoice(text: string): LineChoice {
  const oldest = text.startsWith("+");
  return { lines: amount(oldest ? text.slice(1) : text), oldest };
}

/** Parses a whole number from 0. @throws InvalidArgumentError */
export function amount(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value <= 2 ** 31 - 1) return value;
  throw new InvalidArgumentError("It must be a whole number from 0.");
}

/** Parses a time: a span before now such as "90s" or "30m", "now", or an ISO date. @throws InvalidArgumentError */
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

/** Parses a time at most 24 hours ago. @throws InvalidArgumentError */
export function recentMoment(text: string): Date {
  const time = moment(text);
  // One second of tolerance, for "24h".
  if (Date.now() - time.getTime() <= DAY_MS + 1_000) return time;
  throw new InvalidArgumentError("It can be 24 hours ago at most.");
}

function wholeNumber(text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  const upTo = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new InvalidArgumentError(`It must be a whole number ${upTo}.`);
}
