import type { Schema as FastJsonSchema } from "fast-json-stringify";
import type { SchemaNode } from "../routes/schema-walk.ts";
import { loadFastJsonStringify } from "./packages.ts";

/** Turns a result that fits the schema into JSON, with fields that the schema does not know left out. */
export function createSerializer(schema: SchemaNode | undefined): (value: unknown) => string {
  if (schema === undefined) return (value) => JSON.stringify(value) ?? "null";
  return loadFastJsonStringify().default(schema as unknown as FastJsonSchema);
}
