import { accessSync, constants, statSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory, type CacheContent } from "../cache/cache-directory.ts";
import { FalServerlessError } from "../errors.ts";
import { DownloadError } from "../file-errors.ts";

const DOWNLOADS: CacheContent = { name: "downloads", code: "DOWNLOAD_FAILED" };

/** The disk that all runners of an app on fal share. */
const FAL_DATA = "/data";

/** The folder that outlives a runner; undefined if this is not fal, or the folder can't be written. */
export function dataFolder(
  environment: NodeJS.ProcessEnv = process.env,
  folder = FAL_DATA,
): string | undefined {
  const isFal = environment["FAL_APP_NAME"] !== undefined || environment["FAL_API_SOCKET"] !== undefined;
  if (!isFal || statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined;
  try {
    accessSync(folder, constants.W_OK);
    return folder;
  } catch {
    return undefined;
  }
}

/**
 * The folder that downloads are kept in: `SERVABLE_CACHE_DIR`; on fal `/data/.servable`; otherwise the user's cache folder.
 * @throws DownloadError if the user has no home folder
 */
export function downloadCache(environment: NodeJS.ProcessEnv = process.env, data?: string): string {
  const own = environment["SERVABLE_CACHE_DIR"];
  const shared = own === undefined || own === "" ? dataFolder(environment, data) : undefined;
  if (shared !== undefined) return join(shared, ".servable");
  try {
    return cacheDirectory(DOWNLOADS, environment);
  } catch (error) {
    if (!(error instanceof FalServerlessError)) throw error;
    throw new DownloadError("disk", error.message, { cause: error.cause });
  }
}

/** The folder of downloaded files in a cache. */
export function filesFolder(cache: string): string {
  return join(cache, "downloads");
}

/** The folder of cloned repositories in a cache. */
export function repositoriesFolder(cache: string): string {
  return join(cache, "repositories");
}
