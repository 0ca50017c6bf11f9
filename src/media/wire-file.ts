import type { MediaFault } from "../routes/media-rule.ts";

/** The kinds of files, each with a schema and a class of its own. */
export type MediaKind = "file" | "image" | "audio" | "video" | "archive";

/** The names of the kinds in documents and messages. */
export const CLASS_NAMES: Readonly<Record<MediaKind, string>> = {
  file: "File",
  image: "Image",
  audio: "Audio",
  video: "Video",
  archive: "CompressedFile",
};

/** A file in the form that answers have: each field is present, and null if it is unknown. */
export interface FileRecord {
  readonly url: string;
  readonly content_type: string | null;
  readonly file_name: string | null;
  /** Number of bytes. */
  readonly file_size: number | null;
}

/** A picture in the form that answers have. */
export interface ImageRecord extends FileRecord {
  /** In pixels. */
  readonly width: number | null;
  /** In pixels. */
  readonly height: number | null;
}

/** A file as callers may send it: its URL, or an object with the URL. A data URI is a URL, too. */
export type FileWire = string | ({ readonly url: string } & Partial<FileRecord>);

/** A picture as callers may send it. */
export type ImageWire = string | ({ readonly url: string } & Partial<ImageRecord>);

/** The facts about a file that an object may state. Not trustworthy, if a caller states them. */
export interface StatedFacts {
  readonly contentType?: string | undefined;
  readonly fileName?: string | undefined;
  /** Number of bytes. */
  readonly fileSize?: number | undefined;
  readonly width?: number | undefined;
  readonly height?: number | undefined;
}

/** The schemes of the URLs of files. */
const SCHEME = /^(https?|data):/i;

/** The URL with its scheme in lower case; undefined if a file can't have it. */
export function fileUrl(text: string): string | undefined {
  const scheme = SCHEME.exec(text)?.[1];
  if (scheme === undefined) return undefined;
  const lower = scheme.toLowerCase();
  return scheme === lower ? text : lower + text.slice(scheme.length); // a data URI is long: no copy
}

const INVALID_URL = "value must be a valid URL";

/** The fields beside the URL, with their type in JSON. */
function otherFields(kind: MediaKind): readonly (readonly [name: string, type: "string" | "integer"])[] {
  return kind === "image" ? IMAGE_FIELDS : FILE_FIELDS;
}
const FILE_FIELDS = [
  ["content_type", "string"],
  ["file_name", "string"],
  ["file_size", "integer"],
] as const;
const IMAGE_FIELDS = [...FILE_FIELDS, ["width", "integer"], ["height", "integer"]] as const;

/** Why a value of JSON does not describe a file. */
export function wireFaults(kind: MediaKind, value: unknown): readonly MediaFault[] {
  if (typeof value === "string") return urlFaults(value, []);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const msg = "Input should be a valid dictionary or object to extract fields from";
    return [{ type: "model_attributes_type", msg, loc: [], input: value }];
  }
  const fields = value as Readonly<Record<string, unknown>>;
  const { url } = fields;
  const faults: MediaFault[] = [];
  if (url === undefined) faults.push({ type: "missing", msg: "Field required", loc: ["url"], input: value });
  else if (typeof url !== "string") faults.push(typeFault("url", "string", url));
  else faults.push(...urlFaults(url, ["url"]));
  for (const [name, type] of otherFields(kind)) {
    const item = fields[name] ?? null;
    const fits = type === "string" ? typeof item === "string" : Number.isSafeInteger(item);
    if (item !== null && !fits) faults.push(typeFault(name, type, item));
  }
  return faults;
}

/** Whether a value of JSON describes a file. */
export function isWire(kind: MediaKind, value: unknown): boolean {
  if (typeof value === "string") return SCHEME.test(value);
  return wireFaults(kind, value).length === 0;
}

function urlFaults(url: string, loc: readonly string[]): readonly MediaFault[] {
  if (SCHEME.test(url)) return [];
  const msg = `Value error, ${INVALID_URL}`;
  return [{ type: "value_error", msg, loc, input: url, ctx: { error: INVALID_URL } }];
}

function typeFault(name: string, type: "string" | "integer", input: unknown): MediaFault {
  if (type === "string")
    return { type: "string_type", msg: "Input should be a valid string", loc: [name], input };
  if (typeof input === "number" && Number.isFinite(input) && !Number.isInteger(input)) {
    const msg = "Input should be a valid integer, got a number with a fractional part";
    return { type: "int_from_float", msg, loc: [name], input };
  }
  return { type: "int_type", msg: "Input should be a valid integer", loc: [name], input };
}

/** The URL and the stated facts of a value that {@link isWire}. */
export function readWire(value: unknown): { readonly url: string; readonly facts: StatedFacts } {
  if (typeof value === "string") return { url: fileUrl(value) ?? value, facts: {} };
  const fields = value as Partial<ImageRecord> & { url: string };
  return {
    url: fileUrl(fields.url) ?? fields.url,
    facts: {
      contentType: fields.content_type ?? undefined,
      fileName: fields.file_name ?? undefined,
      fileSize: fields.file_size ?? undefined,
      width: fields.width ?? undefined,
      height: fields.height ?? undefined,
    },
  };
}

/** The form that answers have. */
export function recordOf(kind: MediaKind, url: string, facts: StatedFacts): FileRecord | ImageRecord {
  const record: FileRecord = {
    url,
    content_type: facts.contentType ?? null,
    file_name: facts.fileName ?? null,
    file_size: facts.fileSize ?? null,
  };
  return kind === "image" ? { ...record, width: facts.width ?? null, height: facts.height ?? null } : record;
}
