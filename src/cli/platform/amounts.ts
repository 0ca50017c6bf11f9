import { InvalidArgumentError } from "commander";
import { timeSpan } from "../env/amounts.ts";

const DAY_MS = 86_400_000;

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
