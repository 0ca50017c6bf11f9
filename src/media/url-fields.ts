import { NOTES_BESIDE } from "../routes/media-rule.ts";

/** Marks a field for playgrounds, which show a widget for its kind of file. A widget that the field has is kept. */
function marked<Schema extends object>(schema: Schema, field: string): Schema {
  const { ui, [NOTES_BESIDE]: notes } = schema as { ui?: object; [NOTES_BESIDE]?: object };
  const copy: object = Object.defineProperties({}, Object.getOwnPropertyDescriptors(schema));
  Object.defineProperty(copy, NOTES_BESIDE, {
    value: { ...notes, ui: { field, ...ui } },
    enumerable: true,
    configurable: true,
  });
  return copy as Schema;
}

/** Shows a field of any schema as a file in playgrounds: `FileField(Type.String())`. */
export function FileField<Schema extends object>(schema: Schema): Schema {
  return marked(schema, "file");
}

/** Shows a field of any schema as a picture in playgrounds. */
export function ImageField<Schema extends object>(schema: Schema): Schema {
  return marked(schema, "image");
}

/** Shows a field of any schema as a sound in playgrounds. */
export function AudioField<Schema extends object>(schema: Schema): Schema {
  return marked(schema, "audio");
}

/** Shows a field of any schema as a video in playgrounds. */
export function VideoField<Schema extends object>(schema: Schema): Schema {
  return marked(schema, "video");
}
