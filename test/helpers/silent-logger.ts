import { pino, type Logger } from "pino";

/** A logger for tests that are about something else. */
export function silentLogger(): Logger {
  return pino({ level: "silent" });
}
