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

/** Limits of a caller's file. */
export interface FileLimits {
  readonly maxBytes: number;
  /** Undefined: any. */
  readonly contentTypes: readonly string[] | undefined;
  readonly maxPixels: number;
  readonly timeoutMs: number;
}

const DEFAULT_TIMEOUT_MS = 120_000;
const DEFAULT_BYTES = { picture: 50 * 1024 ** 2, other: 512 * 1024 ** 2 };

/** @throws DefinitionError for an invalid limit */
export function resolveLimits(
  kind: MediaKind,
  where: string,
  { maxBytes, contentTypes, timeoutMs, maxPixels }: ImageOptions,
): FileLimits {
  for (const [name, value] of Object.entries({ maxBytes, timeoutMs, maxPixels })) {
    if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) continue;
    throw new DefinitionError(
      "SCHEMA_INVALID",
      `${where}: ${name} must be a whole number of at least 1, got ${String(value)}.`,
    );
  }
  if (maxPixels !== undefined && kind !== "image") {
    throw new DefinitionError("SCHEMA_INVALID", `${where}: maxPixels is for Image() only; drop it.`);
  }
  return {
    maxBytes: maxBytes ?? (kind === "image" ? DEFAULT_BYTES.picture : DEFAULT_BYTES.other),
    contentTypes: resolveContentTypes(`${where}: contentTypes`, contentTypes),
    maxPixels: maxPixels ?? Infinity,
    timeoutMs: timeoutMs ?? DEFAULT_TIMEOUT_MS,
  };
}

/** The limits of files that no caller sent. */
export const NO_LIMITS: FileLimits = {
  maxBytes: Infinity,
  contentTypes: undefined,
  maxPixels: Infinity,
  timeoutMs: DEFAULT_TIMEOUT_MS,
};
