import { StartupError } from "../errors.ts";

/** The error for a platform that can't start or continue. The message says what to do. */
export function platformFailure(message: string, cause?: unknown): StartupError {
  return new StartupError("PLATFORM_FAILED", message, cause === undefined ? {} : { cause });
}
