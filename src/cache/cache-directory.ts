import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { FalServerlessError, type ErrorCode } from "../errors.ts";

/** A kind of content of the cache, for errors. */
export interface CacheContent {
  /** In the plural, such as "environments". */
  readonly name: string;
  readonly code: ErrorCode;
}

/**
 * The cache folder: `SERVABLE_CACHE_DIR`, otherwise `servable` in the user's cache folder.
 * @throws FalServerlessError if the user has no home folder
 */
export function cacheDirectory(
  content: CacheContent,
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  const own = environment["SERVABLE_CACHE_DIR"];
  if (own) return resolve(own);
  if (platform === "win32") {
    return join(
      environment["LOCALAPPDATA"] || join(home(content, environment, platform), "AppData/Local"),
      "servable",
    );
  }
  if (platform === "darwin") return join(home(content, environment, platform), "Library/Caches/servable");
  const cache = environment["XDG_CACHE_HOME"];
  // The XDG standard says that relative paths must be ignored.
  return join(
    cache?.startsWith("/") ? cache : join(home(content, environment, platform), ".cache"),
    "servable",
  );
}

function home(content: CacheContent, environment: NodeJS.ProcessEnv, platform: NodeJS.Platform): string {
  const named = environment[platform === "win32" ? "USERPROFILE" : "HOME"];
  if (named) return named;
  try {
    return homedir();
  } catch (error) {
    throw new FalServerlessError(
      content.code,
      `There is no home folder to keep ${content.name} in. Set SERVABLE_CACHE_DIR to a folder that can be written.`,
      { cause: error },
    );
  }
}

/** Creates a folder of the cache. @throws FalServerlessError that names the variable to choose another folder with */
export function makeCacheFolder(content: CacheContent, path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw unusableCache(content, path, error);
  }
}

/** The error for a cache folder that can't be created or written. */
export function unusableCache(content: CacheContent, path: string, error: unknown): FalServerlessError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  return new FalServerlessError(
    content.code,
    `${content.name.replace(/^./, (first) => first.toUpperCase())} can't be kept in ${path} (${code}). Make it writable, or set SERVABLE_CACHE_DIR to a folder that is.`,
    { cause: error },
  );
}
