import { InvalidArgumentError } from "commander";

const UNITS = [
  ["w", 7 * 86_400_000, "week"],
  ["d", 86_400_000, "day"],
  ["h", 3_600_000, "hour"],
  ["m", 60_000, "minute"],
] as const;

/** A span of time such as "30d", in milliseconds. @throws InvalidArgumentError, which the command line explains */
export function timeSpan(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([mhdw])$/.exec(text) ?? [];
  const [, milliseconds] = UNITS.find(([letter]) => letter === unit) ?? [];
  if (milliseconds === undefined) {
    throw new InvalidArgumentError("It must be a number with m, h, d or w: 90m, 12h, 30d, 4w.");
  }
  return Number(amount) * milliseconds;
}

/** A time in the past as people say it: "3 hours ago". */
export function ago(time: Date, now: Date = new Date()): string {
  const passed = now.getTime() - time.getTime();
  const [, milliseconds, name] = UNITS.find(([, length]) => passed >= length) ?? [];
  if (milliseconds === undefined || name === undefined) return "just now";
  const count = Math.floor(passed / milliseconds);
  return `${count} ${name}${count === 1 ? "" : "s"} ago`;
}

/** A number of bytes in the largest unit that leaves it at one or more: "1.5 MB". */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}
