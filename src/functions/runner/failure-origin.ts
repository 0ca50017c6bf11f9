import { FalMissingDependencyError, FalSerializationError } from "../../errors.ts";
import type { FailureOrigin } from "./protocol.ts";

/** Whose failure it is: this package's own refusals are told as they are, all else is the user's code's. */
export function originOf(error: unknown): FailureOrigin {
  try {
    const isOurs = error instanceof FalSerializationError || error instanceof FalMissingDependencyError;
    return isOurs ? "runner" : "user";
  } catch {
    return "user"; // a proxy whose traps throw
  }
}
