import type { TObject, TProperties } from "typebox";
import { DefinitionError } from "../errors.ts";
import { BODY, type MultipartRule } from "./body-kind.ts";
import { didYouMean } from "../did-you-mean.ts";
import { isSchemaNode } from "./schema-walk.ts";

/** The options of {@link multipart}: limits of the body, and text for the docs. */
export interface MultipartOptions {
  /** Maximum number of parts, including unknown ones, which are dropped. Default 1,000. */
  maxParts?: number;
  /** Maximum size of all text fields together, in bytes: they are held in memory. Default 1 MiB. */
  maxFieldBytes?: number;
  /** The name of the schema in the OpenAPI document. */
  $id?: string;
  title?: string;
  description?: string;
}

const OPTION_NAMES = [
  ...(["maxParts", "maxFieldBytes", "$id", "title", "description"] satisfies (keyof MultipartOptions)[]),
];
const DEFAULTS = { maxParts: 1_000, maxFieldBytes: 1024 * 1024 };

/**
 * The schema of a `multipart/form-data` body with files and fields. Files are described by {@link upload}, fields by any
 * other schema: their text is converted as the schema says. Unknown parts are dropped.
 *
 * @example
 * ```ts
 * const Input = multipart({ image: upload({ maxBytes: 5_000_000 }), title: Type.String(), steps: Type.Integer() });
 * type Input = Static<typeof Input>; // { image: UploadedFile; title: string; steps: number }
 * ```
 * @throws DefinitionError for invalid options.
 */
export function multipart<Fields extends TProperties>(
  fields: Fields,
  options: MultipartOptions = {},
): TObject<Fields> {
  const refuse = (message: string): never => {
    throw new DefinitionError("SCHEMA_INVALID", `multipart(): ${message}`);
  };
  for (const name of Object.keys(options)) {
    if (!OPTION_NAMES.includes(name as keyof MultipartOptions))
      refuse(
        `unknown option "${name}"${didYouMean(name, OPTION_NAMES) || `; known: ${OPTION_NAMES.join(", ")}.`}`,
      );
  }
  const { maxParts = DEFAULTS.maxParts, maxFieldBytes = DEFAULTS.maxFieldBytes, ...notes } = options;
  for (const [name, value] of Object.entries({ maxParts, maxFieldBytes })) {
    if (!Number.isSafeInteger(value) || value < 1)
      refuse(`${name} must be a whole number of at least 1, got ${String(value)}.`);
  }
  if (!isSchemaNode(fields)) refuse("describe the parts, for example multipart({ image: upload() }).");
  for (const [name, schema] of Object.entries(fields)) {
    if (name === "__proto__" || name === "" || name.length > MAX_NAME)
      refuse(`"${name.slice(0, MAX_NAME)}" can't be the name of a part.`);
    if (!isSchemaNode(schema)) refuse(`${name} must be a schema, for example upload() or Type.String().`);
  }
  const required = Object.keys(fields).filter((name) => !("~optional" in (fields[name] as object)));
  const schema = {
    ...notes,
    type: "object",
    properties: { ...fields },
    ...(required.length === 0 ? {} : { required }),
  };
  const rule: MultipartRule = { kind: "multipart", maxParts, maxFieldBytes };
  Object.defineProperty(schema, BODY, { value: rule });
  return schema as unknown as TObject<Fields>; // the form that Type.Object() gives, without its hidden marks
}

/** Maximum length of a part's name. */
const MAX_NAME = 100;
