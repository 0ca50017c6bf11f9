import type { UploadField, MultipartBody, BodyTimes } from "../../../routes/body-kind.ts";
import type { MemoryBudget } from "../memory-budget.ts";
import type { FieldReader } from "../field-values.ts";
import type { Uploads } from "./uploads.ts";

/** Bytes of boundaries and headers that a body may have in addition to its files and fields. */
const FRAMING_BYTES = 1024 * 1024;

/** How the multipart bodies of a route are read. */
export interface MultipartPlan {
  readonly body: MultipartBody & { readonly times: BodyTimes };
  readonly fields: FieldReader;
  /** The names of all declared parts, in the schema's order. */
  readonly names: readonly string[];
  readonly limitBytes: number;
  readonly overloadStatus: number;
  readonly uploads: Uploads;
  readonly memory: MemoryBudget;
}

/**
 * Maximum size of a multipart body: as large as the server's limit for bodies, or large enough for the largest files
 * that the schema allows.
 */
export function multipartLimit(body: MultipartBody, serversLimit: number): number {
  let files = 0;
  for (const upload of body.uploads.values()) files += largestFiles(upload, body.maxParts);
  return Math.max(serversLimit, files === 0 ? 0 : files + body.maxFieldBytes + FRAMING_BYTES);
}

function largestFiles({ maxBytes = 0, maxFiles }: UploadField, maxParts: number): number {
  return maxBytes * Math.min(maxFiles, maxParts);
}

/** Whether a body has files that are stored on the disk. */
export function storesFiles({ uploads }: MultipartBody): boolean {
  return [...uploads.values()].some(({ isStream }) => isStream !== true);
}
