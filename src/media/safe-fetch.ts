import { lateImport } from "../late-import.ts";
import type { FetchLimits } from "./fetch-limits.ts";
import type { FetchedFile, FetchParts } from "./fetched-file.ts";

export type { FetchLimits } from "./fetch-limits.ts";
export type { FetchedFile } from "./fetched-file.ts";

const implementation = lateImport(() => import("./fetch-file.ts"));

/**
 * Fetches a file from a URL that may come from a caller. Only http and https URLs are fetched, and only from public
 * addresses, however they are written: the host's name is resolved once, all of its addresses are checked, and the
 * connection is made to a checked one. The same holds for each redirect. Variables for proxies have no effect.
 *
 * Resolves when the headers of the answer have arrived.
 * @throws FetchError, whose `reason` says why the file could not be fetched
 * @throws the reason of `limits.signal` after its abort
 * @throws TypeError or RangeError for an invalid limit
 */
export async function fetchSafely(
  url: string,
  limits: FetchLimits,
  parts: FetchParts = {},
): Promise<FetchedFile> {
  const { fetchFile } = await implementation();
  return fetchFile(url, limits, parts);
}
