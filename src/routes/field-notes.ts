import { DefinitionError } from "../errors.ts";
import { isStandardSchema } from "./standard-schema.ts";

/** The keyword of annotations that documents have beside a schema even if it is a reference to a component. */
export const NOTES_BESIDE = "x-servable-notes";

/** Annotations of fal's documents. */
interface FieldNotes {
  /** How the playground shows the field. */
  readonly ui?: object;
  /** Limits that clients may check before they send a request. */
  readonly "x-fal"?: object;
}

/**
 * A copy of a schema with annotations. The annotations of the schema itself take precedence.
 * @param where the function to name in errors
 * @throws DefinitionError for a schema that is not of TypeBox or JSON Schema
 */
export function withNotes<Schema extends object>(
  where: string,
  schema: Schema,
  { ui, ...others }: FieldNotes,
): Schema {
  if (isStandardSchema(schema)) {
    throw new DefinitionError(
      "SCHEMA_INVALID",
      `${where} takes a schema of TypeBox or JSON Schema, not one of another library.`,
    );
  }
  const { ui: own, [NOTES_BESIDE]: notes } = schema as { ui?: object; [NOTES_BESIDE]?: FieldNotes };
  const copy: object = Object.defineProperties({}, Object.getOwnPropertyDescriptors(schema));
  Object.defineProperty(copy, NOTES_BESIDE, {
    value: { ...others, ...notes, ui: { ...ui, ...own, ...notes?.ui } },
    enumerable: true,
    configurable: true,
  });
  return copy as Schema;
}

/**
 * Hides a field in fal's playground: `Hidden(Type.Boolean({ default: false }))`. The field stays in the document, and callers
 * may send it.
 * @throws DefinitionError for a field that is required, because users of the playground could not fill it
 */
export function Hidden<Schema extends object>(schema: Schema): Schema {
  if ("default" in schema || "~optional" in schema)
    return withNotes("Hidden()", schema, { ui: { hidden: true } });
  throw new DefinitionError(
    "SCHEMA_INVALID",
    "Hidden() takes a field with a default, or Type.Optional(…): users of the playground can't fill the field.",
  );
}
