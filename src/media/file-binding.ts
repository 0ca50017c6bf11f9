import { tmpdir } from "node:os";
import { InputValidationError } from "../errors.ts";
import { FetchError } from "../file-errors.ts";
import { TemporaryFolder } from "../temporary-folder.ts";
import type { FileLimits } from "./file-limits.ts";
import type { TemporaryFiles } from "./file-content.ts";

/** The connection of a caller's file with its call. */
export interface FileBinding {
  readonly limits: FileLimits;
  /** Where the file is in the request. */
  readonly loc: readonly (string | number)[];
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  readonly temporary: TemporaryFiles;
  /** Hosts with addresses that are not public, from which files may be fetched. */
  readonly allowedHosts: readonly string[];
  /** Whether the content is known to keep the limits, as in a worker. */
  readonly isChecked?: boolean;
}

/** Maximum length of a URL that an error repeats. */
const SHOWN = 200;

/** The error of a file that is the caller's fault: 422 at its field. */
export function fileFault(
  { loc }: Pick<FileBinding, "loc">,
  type: string,
  msg: string,
  { url, ctx }: { url: string | undefined; ctx?: Record<string, unknown> },
): InputValidationError {
  const input = url === undefined ? null : url.length > SHOWN ? `${url.slice(0, SHOWN)}…` : url;
  return new InputValidationError([
    { type, loc: [...loc], msg, input, ...(ctx === undefined ? {} : { ctx }) },
  ]);
}

/** The error of a file that is too large. */
export function tooLargeFault(binding: FileBinding, url: string | undefined): InputValidationError {
  const { maxBytes } = binding.limits;
  const msg = `The file may have at most ${maxBytes} bytes`;
  return fileFault(binding, "file_too_large", msg, { url, ctx: { max_size: maxBytes } });
}

/** The error to throw where a caller's file could not be fetched. */
export function downloadFault(binding: FileBinding, url: string, error: unknown): unknown {
  if (binding.signal.aborted) return binding.signal.reason;
  if (!(error instanceof FetchError)) return error;
  if (error.reason === "too_large") return tooLargeFault(binding, url);
  return fileFault(binding, "file_download_error", error.message, { url });
}

let common: TemporaryFolder | undefined;

/** Temporary files outside of any call, which are removed when the process ends. */
export const PROCESS_FILES: TemporaryFiles = {
  newFile: (extension = "") => (common ??= new TemporaryFolder(tmpdir(), SILENT)).newFile() + extension,
};
const SILENT = { info: () => {}, warn: () => {} };
