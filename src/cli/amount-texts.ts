import { TIME_UNITS } from "./option-values.ts";

/** Formats a number of seconds: "2 h 5 min". */
export function spanText(seconds: number | undefined): string {
  if (seconds === undefined) return "-";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}

/** Formats a time in the past: "3 hours ago". */
export function agoText(time: Date, now: Date = new Date()): string {
  const passed = now.getTime() - time.getTime();
  const [, milliseconds, name] = TIME_UNITS.find(([, length]) => passed >= length) ?? [];
  if (milliseconds === undefined || name === undefined) return "just now";
  const count = Math.floor(passed / milliseconds);
  return `${count} ${name}${count === 1 ? "" : "s"} ago`;
}
