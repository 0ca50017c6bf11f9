import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseMark, stateOf, type ProcessMark } from "../../cache/process-mark.ts";

/** The port of a platform if none is given. */
export const PLATFORM_PORT = 8787;

/**
 * The folder of everything that a platform keeps: `--state`, otherwise `SERVABLE_STATE_DIR`, otherwise one of the user's.
 * Root's own folder can't be entered by the user that the database runs as, so that root has another one.
 */
export function stateDirectory(
  given: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): string {
  const own = given ?? environment["SERVABLE_STATE_DIR"];
  if (own !== undefined && own !== "") return resolve(own);
  if (process.getuid?.() === 0) return "/var/lib/servable";
  const data = environment["XDG_DATA_HOME"];
  return join(data?.startsWith("/") ? data : join(homedir(), ".local/share"), "servable");
}

/** The record of a running platform in its folder. */
export interface PlatformRecord {
  readonly mark: ProcessMark;
  readonly url: string;
  readonly owner: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** Path of the record. It is written when the platform is ready, and removed when it ends. */
export function recordPath(directory: string): string {
  return join(directory, "platform.json");
}

/** Path of the log of a platform in the background. */
export function logPath(directory: string): string {
  return join(directory, "platform.log");
}

/** The platform that runs in a folder; undefined if none does. */
export function runningPlatform(directory: string): PlatformRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(recordPath(directory), "utf8")) as PlatformRecord;
    const mark = parseMark(JSON.stringify(record.mark));
    return mark !== undefined && stateOf(mark) === "alive" ? record : undefined;
  } catch {
    return undefined;
  }
}
