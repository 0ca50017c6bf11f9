import { FalServerlessError } from "../errors.ts";

/** A file could not be stored. @param storage the name of the storage */
export function storageFailure(storage: string, why: string, cause?: unknown): FalServerlessError {
  return new FalServerlessError("STORAGE_FAILED", `A file could not be stored in "${storage}": ${why}.`, {
    cause,
  });
}
