import { withNotes } from "../routes/field-notes.ts";
import {
  limitsForClients,
  type ImageConstraints,
  type VideoConstraints,
  type VideoNormalization,
} from "./field-limits.ts";

/** Notes about a field for playgrounds. */
export interface FileFieldOptions {
  /** How fal's playground shows the field, such as `{ important: true }`. */
  ui?: object;
}

/** Notes about a field with a picture. */
export interface ImageFieldOptions extends FileFieldOptions {
  /** Limits that clients may check before they send a picture. The framework does not check them. */
  constraints?: ImageConstraints;
}

/** Notes about a field with a video, or with a list of them. */
export interface VideoFieldOptions extends FileFieldOptions {
  /** Limits that clients may check before they send a video. The framework does not check them. */
  constraints?: VideoConstraints;
  /** Limits of all videos of a list together, such as their duration. */
  combinedConstraints?: VideoConstraints;
  /** Changes that the app makes to a video, for playgrounds to show. */
  normalization?: VideoNormalization;
}

/** Shows a field of any schema as a file in playgrounds: `FileField(Type.String())`. */
export function FileField<Schema extends object>(schema: Schema, { ui }: FileFieldOptions = {}): Schema {
  return withNotes("FileField()", schema, { ui: { field: "file", ...ui } });
}

/**
 * Shows a field of any schema as a picture in playgrounds.
 * @throws DefinitionError for invalid limits
 */
export function ImageField<Schema extends object>(
  schema: Schema,
  { ui, constraints }: ImageFieldOptions = {},
): Schema {
  const limits = limitsForClients("ImageField() constraints", "image", constraints);
  const notes = limits === undefined ? {} : { "x-fal": limits };
  return withNotes("ImageField()", schema, { ui: { field: "image", ...ui }, ...notes });
}

/** Shows a field of any schema as a sound in playgrounds. */
export function AudioField<Schema extends object>(schema: Schema, { ui }: FileFieldOptions = {}): Schema {
  return withNotes("AudioField()", schema, { ui: { field: "audio", ...ui } });
}

/**
 * Shows a field of any schema as a video in playgrounds.
 * @throws DefinitionError for invalid limits
 */
export function VideoField<Schema extends object>(
  schema: Schema,
  { ui, constraints, combinedConstraints, normalization: changes }: VideoFieldOptions = {},
): Schema {
  const limits = limitsForClients("VideoField() constraints", "video", constraints);
  const combined = limitsForClients("VideoField() combinedConstraints", "video", combinedConstraints);
  const normalization = limitsForClients("VideoField() normalization", "normalization", changes);
  const all = {
    ...limits,
    ...(combined === undefined ? {} : { combined }),
    ...(normalization === undefined ? {} : { normalization }),
  };
  const notes = Object.keys(all).length === 0 ? {} : { "x-fal": all };
  return withNotes("VideoField()", schema, { ui: { field: "video", ...ui }, ...notes });
}
