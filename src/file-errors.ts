// The public error classes of files that are fetched or downloaded.
import { branded, FalServerlessError } from "./errors.ts";

/**
 * Why a file could not be fetched:
 *
 * - `url`: the URL is invalid, or its scheme or credentials are refused.
 * - `address`: the host is, or its name resolves to, an address that is not public.
 * - `dns`: the host's name could not be resolved.
 * - `redirects`: too many redirects, or a redirect without a target.
 * - `status`: the server answered with an error.
 * - `too_large`: the file is larger than the limit.
 * - `incomplete`: the connection broke before the end of the file.
 * - `timeout`: the time was up.
 * - `network`: the server could not be reached, or its answer is not valid.
 */
export type FetchFailure =
  "url" | "address" | "dns" | "redirects" | "status" | "too_large" | "incomplete" | "timeout" | "network";

/** The options of a {@link FetchError}. */
export interface FetchErrorOptions extends ErrorOptions {
  /** The HTTP status of the answer, if the server answered with an error. */
  readonly status?: number;
}

/**
 * A file could not be fetched. The message is safe to show to the caller who gave the URL: it has no address of a
 * resolved name, and no query of the URL.
 */
export class FetchError extends FalServerlessError {
  /** The kind of failure. */
  readonly reason: FetchFailure;
  /** The HTTP status of the answer; undefined unless the reason is `status`. */
  readonly status: number | undefined;

  constructor(reason: FetchFailure, message: string, { status, ...options }: FetchErrorOptions = {}) {
    super("FETCH_FAILED", message, options);
    this.reason = reason;
    this.status = status;
  }
}
branded(FetchError, "FetchError");

/**
 * Why a download failed:
 *
 * - `fetch`: the file could not be fetched. `cause` is the {@link FetchError}.
 * - `hash`: the content does not have the expected hash or size.
 * - `hub`: the hub does not have the file, refused it, or its client is not installed.
 * - `git`: git failed, or is not installed.
 * - `disk`: the file could not be written.
 */
export type DownloadFailure = "fetch" | "hash" | "hub" | "git" | "disk";

/** A file or a repository could not be downloaded. The message has its URL without a query and the place. */
export class DownloadError extends FalServerlessError {
  /** The kind of failure. */
  readonly reason: DownloadFailure;

  constructor(reason: DownloadFailure, message: string, options?: ErrorOptions) {
    super("DOWNLOAD_FAILED", message, options);
    this.reason = reason;
  }
}
branded(DownloadError, "DownloadError");
