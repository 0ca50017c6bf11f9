import { isSchemaNode } from "./schema-walk.ts";
import { isStandardSchema } from "./standard-schema.ts";

/** Keywords by which a plain object is recognized as JSON Schema. The validator checks their names and values. */
const KEYWORDS: ReadonlySet<string> = new Set([
  ...["type", "enum", "const", "properties", "required", "additionalProperties", "patternProperties"],
  ...["propertyNames", "minProperties", "maxProperties", "dependentRequired", "dependentSchemas"],
  ...["dependencies", "unevaluatedProperties", "unevaluatedItems", "items", "prefixItems", "additionalItems"],
  ...["contains", "minContains", "maxContains", "minItems", "maxItems", "uniqueItems", "minLength"],
  ...["maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
  ...["multipleOf", "anyOf", "oneOf", "allOf", "not", "if", "then", "else", "title", "description"],
  ...["default", "examples", "deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType"],
  ...["contentSchema", "definitions", "nullable", "discriminator", "example", "externalDocs", "xml", "ui"],
]);

/** TypeBox 0.x (`@sinclair/typebox`) marks its schemas with this symbol; 1.x with the key `~kind`. */
const OLD_TYPEBOX_KIND = Symbol.for("TypeBox.Kind");

/** Why a value is not a schema, as the end of a sentence about it; undefined for a schema. */
export function schemaFault(value: unknown): string | undefined {
  if (isStandardSchema(value)) return undefined;
  if (typeof value === "function") {
    const isClass = /^class\b/.test(Function.prototype.toString.call(value));
    return `must be a schema, for example Type.Object({…}), got ${isClass ? "the class" : "the function"} ${value.name || "without a name"}.`;
  }
  if (!isSchemaNode(value)) {
    return `must be a schema, for example Type.Object({…}), got ${Array.isArray(value) ? "a list" : String(value)}.`;
  }
  if (OLD_TYPEBOX_KIND in value) {
    return (
      "is a schema of @sinclair/typebox (TypeBox 0.x); install `typebox` (1.x) and import Type from it. " +
      "A schema that must stay can be converted with JSON.parse(JSON.stringify(schema))."
    );
  }
  if ("~standard" in value) {
    return "has `~standard`, but not in version 1 of Standard Schema with validate(); update its library.";
  }
  if ("~kind" in value || "~unsafe" in value) return undefined;
  if ("_def" in value) {
    return "is a Zod schema without Standard Schema; install zod 4 (or 3.24, which validates but is not documented).";
  }
  const keys = Object.keys(value);
  if (keys.some((key) => KEYWORDS.has(key) || key.startsWith("$") || key.startsWith("x-"))) return undefined;
  const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: unknown } } | null;
  if (prototype !== Object.prototype && prototype !== null) {
    const className = String(prototype.constructor?.name);
    return `must be JSON Schema or implement Standard Schema, got an object of the class ${className}.`;
  }
  if (keys.length === 0) return undefined; // accepts any value
  return (
    `must be a schema, but its keys (${keys.slice(0, 3).join(", ")}) are not keywords of JSON Schema; ` +
    "write Type.Object({…}) around fields."
  );
}
