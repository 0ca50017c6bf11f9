import type { TSchema } from "typebox";
import { DefinitionError } from "../errors.ts";
import { BODY, type FormRule } from "./body-kind.ts";
import { isSchemaNode, type SchemaNode } from "./schema-walk.ts";

/**
 * The schema of an `application/x-www-form-urlencoded` body, as HTML forms send it. The text of each field is converted
 * as its schema says. Unknown fields are dropped.
 *
 * @example
 * ```ts
 * const Login = form(Type.Object({ user: Type.String(), stay: Type.Boolean({ default: false }) }));
 * ```
 * @param schema a `Type.Object`
 * @throws DefinitionError for a schema that is not an object with declared fields.
 */
export function form<Schema extends TSchema & object>(schema: Schema): Schema {
  const { type, properties }: SchemaNode = isSchemaNode(schema) ? schema : {};
  if (type !== "object" || !isSchemaNode(properties)) {
    throw new DefinitionError("SCHEMA_INVALID", "form() takes an object schema: form(Type.Object({ … })).");
  }
  const copy: object = Object.defineProperties({}, Object.getOwnPropertyDescriptors(schema));
  const rule: FormRule = { kind: "form" };
  Object.defineProperty(copy, BODY, { value: rule });
  return copy as Schema;
}
