import { foreignKind } from "../../json/kinds.ts";
import { isSchemaNode, literalValues, type SchemaNode } from "../../routes/schema-walk.ts";
import { INHERITED_NAMES } from "./json-values.ts";

/** Types that fast-json-stringify writes exactly as `JSON.stringify` does, for values that fit. */
const SCALARS: ReadonlySet<unknown> = new Set(["string", "integer", "number", "boolean", "null"]);

/** Keywords that allow values of other types than `type`, or make the fields of an object depend on its value. */
const REFUSED = [
  ...["$ref", "nullable", "allOf", "anyOf", "oneOf", "if", "not", "patternProperties", "dependentSchemas"],
  ...["unevaluatedProperties", "prefixItems"],
] as const;

/**
 * Reduces a schema to the keywords that fast-json-stringify handles correctly: objects of declared fields, lists,
 * scalars, and any of them or null. Undefined if that is impossible.
 */
export function fastSchema(node: unknown): SchemaNode | undefined {
  if (!isSchemaNode(node)) return undefined;
  const literal = scalarOf(literalValues(node));
  if (literal !== undefined) return { type: literal };
  const other = nullableOf(node);
  if (other !== undefined) {
    const fast = fastSchema(other);
    return fast === undefined ? undefined : { ...fast, nullable: true };
  }
  if (REFUSED.some((keyword) => keyword in node)) return undefined;
  const { type } = node;
  if (SCALARS.has(type)) return { type };
  if (type === "array") {
    const items = fastSchema(node["items"]);
    return items === undefined ? undefined : { type, items };
  }
  return type === "object" ? fastObject(node) : undefined;
}

/**
 * Reduces the schema of an object. It must have a required field: if that is missing at run time, the object was
 * replaced by `toJSON()`.
 */
function fastObject(node: SchemaNode): SchemaNode | undefined {
  const { type, properties, required, additionalProperties = false } = node;
  if (additionalProperties !== false || !isSchemaNode(properties)) return undefined;
  if (!Array.isArray(required) || required.length === 0) return undefined;
  const entries: (readonly [string, SchemaNode])[] = [];
  for (const [key, property] of Object.entries(properties)) {
    const fast = fastSchema(property);
    if (fast === undefined || INHERITED_NAMES.has(key)) return undefined;
    const fallback = (property as SchemaNode)["default"];
    if (typeof fallback === "object" && fallback !== null) return undefined; // may need defaults itself
    entries.push([key, fallback === undefined ? fast : { ...fast, default: fallback }]);
  }
  if (!required.every((key) => Object.hasOwn(properties, key))) return undefined;
  return { type, properties: Object.fromEntries(entries), required };
}

/** The type that all literals have in common; undefined if there is none. */
function scalarOf(literals: readonly unknown[] | undefined): string | undefined {
  const types = new Set(literals?.map((value) => typeof value));
  const [type = ""] = types;
  return types.size === 1 && SCALARS.has(type) ? type : undefined;
}

/** The other branch of a nullable union. */
function nullableOf(node: SchemaNode): unknown {
  const { anyOf } = node;
  const rest = Object.keys(node).filter((keyword) => keyword !== "anyOf" && !NOTES.has(keyword));
  if (!Array.isArray(anyOf) || anyOf.length !== 2 || rest.length > 0) return undefined;
  const others = anyOf.filter((branch) => !isSchemaNode(branch) || branch["type"] !== "null");
  return others.length === 1 ? others[0] : undefined;
}

const NOTES: ReadonlySet<string> = new Set(["default", "deprecated", "description", "examples", "title"]);

/**
 * Creates a check whether fast-json-stringify can write the objects of a valid value: no `toJSON()`, maps or promises.
 * Undefined if the schema has no objects.
 */
export function ordinary(fast: SchemaNode): ((value: unknown) => boolean) | undefined {
  if (fast["type"] === "array") {
    const isOrdinary = ordinary(fast["items"] as SchemaNode);
    if (isOrdinary === undefined) return undefined;
    return (value) => !Array.isArray(value) || value.every(isOrdinary);
  }
  if (fast["type"] !== "object") return undefined;
  const inner = Object.entries(fast["properties"] as SchemaNode).flatMap(([key, property]) => {
    const isOrdinary = ordinary(property as SchemaNode);
    return isOrdinary === undefined ? [] : [{ key, isOrdinary }];
  });
  return (value) => {
    if (typeof value !== "object" || value === null) return true;
    if (Object.getPrototypeOf(value) !== Object.prototype && foreignKind(value) !== undefined) return false;
    if (typeof (value as { toJSON?: unknown }).toJSON === "function") return false;
    for (const { key, isOrdinary } of inner) {
      if (!isOrdinary((value as Record<string, unknown>)[key])) return false;
    }
    return true;
  };
}
