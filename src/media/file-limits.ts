import { DefinitionError } from "../errors.ts";
import { resolveContentTypes } from "../routes/content-types.ts";
import type { MediaKind } from "./wire-file.ts";

/** The options of the schema of a file: limits of what callers send, and text for the docs. */
export interface FileOptions {
  /** Maximum size, in bytes. Default: 50 MiB for pictures, otherwise 512 MiB. */
  maxBytes?: number;
  /**
   * Accepted content types: `"image/png"`, `"image/*"`, or a list. The type is what the first bytes show. Default: any; of
   * a picture, any picture.
   */
  contentTypes?: string | readonly string[];
  /** Maximum time to fetch a file from its URL, in ms. Default 120,000. */
  timeoutMs?: number;
  title?: string;
  description?: string;
  /** The value of a missing field: a URL, or an object as callers send it. */
  default?: string | object;
  examples?: unknown[];
}

/** The options of the schema of a picture. */
export interface ImageOptions extends FileOptions {
  /** Maximum number of pixels, width times height. Default: unlimited. */
  maxPixels?: number;
}

/** The options of the schema of an archive. Its limits are checked when it is extracted. */
export interface ArchiveOptions extends FileOptions {
  /** Maximum number of files and folders in the archive. Default 1,000. */
  maxFiles?: number;
  /** Maximum size of all files in the archive, in bytes. Default 1 GiB. */
  maxExtractedBytes?: number;
  /** Maximum size of all files in the archive, as a multiple of the size of the archive. Default 100. */
  maxRatio?: number;
}

/** Limits of a caller's file. */
export interface FileLimits {
  readonly maxBytes: number;
  /** Undefined: any. */
  readonly contentTypes: readonly string[] | undefined;
  readonly maxPixels: number;
  readonly timeoutMs: number;
  readonly maxFiles: number;
  readonly maxExtractedBytes: number;
  readonly maxRatio: number;
}

const DEFAULT_TIMEOUT_MS = 120_000;
const ARCHIVE_LIMITS = { maxFiles: 1_000, maxExtractedBytes: 1024 ** 3, maxRatio: 100 };
const DEFAULT_BYTES = { picture: 50 * 1024 ** 2, other: 512 * 1024 ** 2 };

/** @throws DefinitionError for an invalid limit */
export function resolveLimits(
  kind: MediaKind,
  where: string,
  { maxBytes, contentTypes, timeoutMs, maxPixels, ...ofArchives }: ImageOptions & ArchiveOptions,
): FileLimits {
  const { maxFiles, maxExtractedBytes, maxRatio } = ofArchives;
  const counts = { maxBytes, timeoutMs, maxPixels, maxFiles, maxExtractedBytes, maxRatio };
  for (const [name, value] of Object.entries(counts)) {
    if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) continue;
    throw new DefinitionError(
      "SCHEMA_INVALID",
      `${where}: ${name} must be a whole number of at least 1, got ${String(value)}.`,
    );
  }
  if (maxPixels !== undefined && kind !== "image") {
    throw new DefinitionError("SCHEMA_INVALID", `${where}: maxPixels is for Image() only; drop it.`);
  }
  for (const [name, value] of Object.entries({ maxFiles, maxExtractedBytes, maxRatio })) {
    if (value === undefined || kind === "archive") continue;
    throw new DefinitionError("SCHEMA_INVALID", `${where}: ${name} is for CompressedFile() only; drop it.`);
  }
  return {
    maxBytes: maxBytes ?? (kind === "image" ? DEFAULT_BYTES.picture : DEFAULT_BYTES.other),
    contentTypes: resolveContentTypes(`${where}: contentTypes`, contentTypes),
    maxPixels: maxPixels ?? Infinity,
    timeoutMs: timeoutMs ?? DEFAULT_TIMEOUT_MS,
    maxFiles: maxFiles ?? ARCHIVE_LIMITS.maxFiles,
    maxExtractedBytes: maxExtractedBytes ?? ARCHIVE_LIMITS.maxExtractedBytes,
    maxRatio: maxRatio ?? ARCHIVE_LIMITS.maxRatio,
  };
}

/** The limits of files that no caller sent. Archives have theirs, because an app may get them from anywhere. */
export const NO_LIMITS: FileLimits = {
  maxBytes: Infinity,
  contentTypes: undefined,
  maxPixels: Infinity,
  timeoutMs: DEFAULT_TIMEOUT_MS,
  ...ARCHIVE_LIMITS,
};
