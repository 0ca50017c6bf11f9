import { pino, type Logger } from "pino";

/** A logger for tests that do not test logging. */
export function silentLogger(): Logger {
  return pino({ level: "silent" });
}
