import type { TUnsafe } from "typebox";
import { DefinitionError } from "../errors.ts";
import { NOTES_BESIDE } from "../routes/field-notes.ts";
import { MEDIA } from "../routes/media-rule.ts";
import { didYouMean } from "../did-you-mean.ts";
import { resolveLimits, type ArchiveOptions, type ImageOptions } from "./file-limits.ts";
import { FileRule } from "./file-rule.ts";
import { CLASS_NAMES, type MediaKind } from "./wire-file.ts";

const LIMIT_NAMES = [
  ...["maxBytes", "contentTypes", "timeoutMs", "maxPixels"],
  ...["maxFiles", "maxExtractedBytes", "maxRatio"],
];
/** Notes about a use of the schema. All uses share one component of a document. */
const NOTE_NAMES = ["title", "description", "examples"] as const;

/**
 * Creates the schema of a kind of files.
 * @throws DefinitionError for an invalid or unknown option
 */
export function createFileSchema<Value>(
  kind: MediaKind,
  options: ImageOptions & ArchiveOptions,
): TUnsafe<Value> {
  const name = CLASS_NAMES[kind];
  const known = [...LIMIT_NAMES, ...NOTE_NAMES, "default"];
  for (const option of Object.keys(options)) {
    if (known.includes(option)) continue;
    const advice = didYouMean(option, known) || `; known: ${known.join(", ")}.`;
    throw new DefinitionError("SCHEMA_INVALID", `${name}(): unknown option "${option}"${advice}`);
  }
  const limits = resolveLimits(kind, `${name}()`, options);
  const { default: fallback } = options;
  const notes = NOTE_NAMES.filter((note) => options[note] !== undefined).map((note) => [note, options[note]]);
  const schema = {
    title: name,
    ...(fallback === undefined ? {} : { default: fallback }),
    ...(notes.length === 0 ? {} : { [NOTES_BESIDE]: Object.fromEntries(notes) as object }),
    $id: name,
    type: "object",
    properties: kind === "image" ? { ...PROPERTIES, ...IMAGE_PROPERTIES } : PROPERTIES,
    required: ["url"],
    ...(FIELDS[kind] === undefined ? {} : { ui: { field: FIELDS[kind] } }),
    [MEDIA]: new FileRule(kind, limits),
  };
  return schema as unknown as TUnsafe<Value>; // the schema is plain JSON; its type is a promise of the reader
}

/** The widgets of the kinds in playgrounds. */
const FIELDS: Partial<Record<MediaKind, string>> = { image: "image", audio: "audio", video: "video" };

function nullable(type: "string" | "integer", description: string, example: unknown): object {
  return { anyOf: [{ type }, { type: "null" }], description, examples: [example] };
}

const PROPERTIES = {
  url: { type: "string", description: "Where the file can be downloaded." },
  content_type: nullable("string", "The media type of the file.", "image/png"),
  file_name: nullable("string", "The name of the file.", "z9RV14K95DvU.png"),
  file_size: nullable("integer", "The size of the file, in bytes.", 4404019),
};

const IMAGE_PROPERTIES = {
  width: nullable("integer", "The width of the picture, in pixels.", 1024),
  height: nullable("integer", "The height of the picture, in pixels.", 1024),
};
