import { FalServerlessError } from "../errors.ts";

/** The error for files that can't be read or uploaded: `UPLOAD_FAILED`. The message names the file. */
export function uploadFailure(message: string, options?: ErrorOptions): FalServerlessError {
  return new FalServerlessError("UPLOAD_FAILED", message, options);
}

/** The error for a file that can't be read, with the system's reason in words. */
export function unreadable(path: string, cause: unknown): FalServerlessError {
  const code = errorCode(cause);
  const reason =
    code === "EACCES" || code === "EPERM"
      ? "permission denied"
      : code === "ENOENT"
        ? "it no longer exists"
        : (code ?? String(cause));
  return uploadFailure(`${path} cannot be read: ${reason}.`, { cause });
}

/** The system's code of an error, such as `ENOENT`; undefined if it has none. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
