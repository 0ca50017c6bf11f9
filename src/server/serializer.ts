import type { Schema as FastJsonSchema } from "fast-json-stringify";
import type { SchemaNode } from "../routes/schema-walk.ts";
import { fastSchema } from "./fast-schema.ts";
import { loadFastJsonStringify } from "./packages.ts";
import { compileProjection } from "./validation/projection.ts";

/** Turns a result that fits the schema into JSON, with fields that the schema does not know left out. */
export function createSerializer(schema: SchemaNode | undefined): (value: unknown) => string {
  if (schema === undefined) return (value) => JSON.stringify(value) ?? "null";
  const project = compileProjection(schema);
  const stringify = (value: unknown): string => JSON.stringify(project(value)) ?? "null";
  const fast = fastSchema(schema);
  if (fast === undefined) return stringify;
  const quickly = loadFastJsonStringify().default(fast as unknown as FastJsonSchema);
  return (value) => {
    try {
      return quickly(value);
    } catch {
      return stringify(value); // a toJSON() has given something else than what was found to fit
    }
  };
}
