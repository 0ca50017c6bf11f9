import { findInexactNumbers } from "../../json/exact-numbers.ts";
import { MEDIA } from "../../routes/media-rule.ts";
import { isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";
import { conjuncts, listOf, mapOf } from "./canonical-nodes.ts";

/** The text of a parameter or of a form's field, or the texts of a repeated one. */
export type FieldText = string | readonly string[];

/** Converts a text to a value. A text that it can't convert is returned unchanged, so that validation refuses it. */
export type TextConversion = (text: FieldText) => unknown;

/** Whether a value fits a node of the schema. */
type FitsNode = (node: SchemaNode) => (value: unknown) => boolean;

/** A schema in canonical form. */
export interface ConvertedSchema {
  readonly node: SchemaNode;
  readonly definitions: Readonly<Record<string, SchemaNode>>;
  readonly fitsNode: FitsNode;
  /** Reads the text of an object. Default: no text is an object. @throws InputValidationError */
  readonly readJson?: (text: string) => unknown;
}

/**
 * Compiles the conversion of a parameter or of a form's field; undefined if it stays text.
 *
 * A text is converted to the only type that the schema accepts. If it accepts several, the first of these values that
 * fits is used: the text itself, a number, a boolean, null, a list of this one text, an object.
 */
export function compileTextConversion(schema: ConvertedSchema, isItem = false): TextConversion | undefined {
  const types = acceptedTypes(schema.node, schema.definitions);
  const all = [...types];
  if (all.every((type) => type === "string")) return undefined;
  if (all.every((type) => type === "integer" || type === "number")) return toNumber;
  if (all.every((type) => type === "boolean")) return toBoolean;
  const { readJson } = schema;
  if (readJson !== undefined && conjuncts(schema.node, schema.definitions).some((part) => MEDIA in part)) {
    // The URL of a file, or the text of an object with it.
    return (text) => (typeof text === "string" && text.trimStart().startsWith("{") ? readJson(text) : text);
  }
  if (readJson !== undefined && all.every((type) => type === "object"))
    return (text) => (typeof text === "string" ? readJson(text) : text);
  // The text of an item can't be a list itself.
  const list = types.has("array") && !isItem ? listConversion(schema) : undefined;
  if (list !== undefined && all.length === 1) return list;
  return trialConversion(schema, types, list);
}

/** A number as JSON writes it. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
/** A number of fewer characters without an exponent is exact. */
const SHORT = 16;

/** Whether a text is a number, and which fault a double would make of it. */
export function readNumber(text: string): number | "not a number" | "inexact" | "infinite" {
  if (!NUMBER.test(text)) return "not a number";
  if (text.length >= SHORT || text.includes("e") || text.includes("E")) {
    const [inexact] = findInexactNumbers(text);
    if (inexact !== undefined) return inexact.isInfinite ? "infinite" : "inexact";
  }
  return Number(text);
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...["true", "1", "on"].map((word) => [word, true] as const),
  ...["false", "0", "off"].map((word) => [word, false] as const),
]);

function toNumber(text: FieldText): unknown {
  if (typeof text !== "string") return text;
  const number = readNumber(text);
  return typeof number === "number" ? number : text;
}

function toBoolean(text: FieldText): unknown {
  return typeof text === "string" ? (BOOLEANS.get(text) ?? text) : text;
}

/** A parameter that is a list has one text for each item. */
function listConversion(schema: ConvertedSchema): TextConversion {
  const { node, definitions } = schema;
  const lists = listNodes(node, definitions, 0);
  const convert = (items: unknown): TextConversion | undefined =>
    isSchemaNode(items) ? compileTextConversion({ ...schema, node: items }, true) : undefined;
  const places = listOf(lists.find((part) => part["prefixItems"] !== undefined)?.["prefixItems"]).map(
    convert,
  );
  const items = lists.map((part) => part["items"]).filter(isSchemaNode);
  const rest = convert(items.length > 1 ? { anyOf: items } : items[0]);
  return (text) => {
    const texts = typeof text === "string" ? [text] : text;
    return texts.map((item, index) => {
      const conversion = index < places.length ? places[index] : rest;
      return conversion === undefined ? item : conversion(item);
    });
  };
}

/** The nodes of a schema that describe the items of a list, also in the branches of a union. */
function listNodes(
  node: SchemaNode,
  definitions: ConvertedSchema["definitions"],
  depth: number,
): readonly SchemaNode[] {
  if (depth > DEEPEST_UNION) return [];
  return conjuncts(node, definitions).flatMap((part) => [
    ...(part["items"] === undefined && part["prefixItems"] === undefined ? [] : [part]),
    ...[...listOf(part["anyOf"]), ...listOf(part["oneOf"])]
      .filter(isSchemaNode)
      .flatMap((branch) => listNodes(branch, definitions, depth + 1)),
  ]);
}

function trialConversion(
  schema: ConvertedSchema,
  types: ReadonlySet<JsonType>,
  list: TextConversion | undefined,
): TextConversion {
  const fits = schema.fitsNode(schema.node);
  return (text) => {
    if (typeof text !== "string") return list === undefined ? text : list(text);
    if (types.has("string") && fits(text)) return text;
    const number = readNumber(text);
    const isNumber = typeof number === "number" && (types.has("number") || types.has("integer"));
    if (isNumber && fits(number)) return number;
    const boolean = types.has("boolean") ? BOOLEANS.get(text) : undefined;
    if (boolean !== undefined && fits(boolean)) return boolean;
    if (types.has("null") && (text === "" || text === "null") && fits(null)) return null;
    const isObject = schema.readJson !== undefined && types.has("object") && !types.has("string");
    if (list !== undefined) {
      const items = list(text);
      if (fits(items) || !(types.has("string") || isObject)) return items;
    }
    if (isObject) return schema.readJson?.(text);
    return isNumber && !types.has("string") ? number : text; // refused by validation
  };
}

const JSON_TYPES = ["string", "integer", "number", "boolean", "null", "array", "object"] as const;
type JsonType = (typeof JSON_TYPES)[number];
const ANY: ReadonlySet<JsonType> = new Set(JSON_TYPES);
/** Maximum depth of nested unions that are looked into. Deeper ones count as any type. */
const DEEPEST_UNION = 20;

/** The JSON types that a schema may accept. */
export function acceptedTypes(
  node: unknown,
  definitions: ConvertedSchema["definitions"],
  depth: number = 0,
): ReadonlySet<JsonType> {
  if (node === false) return new Set();
  if (!isSchemaNode(node) || depth > DEEPEST_UNION) return ANY;
  let types = ANY;
  for (const part of conjuncts(node, definitions)) {
    if (part["type"] !== undefined) types = common(types, new Set([part["type"]].flat() as JsonType[]));
    if (MEDIA in part) types = common(types, new Set(["string", "object"]));
    const literals = "const" in part ? [part["const"]] : part["enum"];
    if (Array.isArray(literals)) types = common(types, new Set(literals.map(typeOfLiteral)));
    for (const keyword of ["anyOf", "oneOf"]) {
      const branches = listOf(part[keyword]);
      if (branches.length === 0) continue;
      types = common(
        types,
        new Set(branches.flatMap((branch) => [...acceptedTypes(branch, definitions, depth + 1)])),
      );
    }
  }
  return types;
}

/** The types of two sets. "number" includes "integer". */
function common(one: ReadonlySet<JsonType>, two: ReadonlySet<JsonType>): ReadonlySet<JsonType> {
  const includes = (types: ReadonlySet<JsonType>, type: JsonType): boolean =>
    types.has(type) || (type === "integer" && types.has("number"));
  return new Set(JSON_TYPES.filter((type) => includes(one, type) && includes(two, type)));
}

function typeOfLiteral(value: unknown): JsonType {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value as JsonType;
}

/** The schemas of an object's fields, also of those that `allOf` adds. */
export function fieldNodes(
  root: SchemaNode,
  definitions: ConvertedSchema["definitions"],
): ReadonlyMap<string, SchemaNode> {
  const fields = new Map<string, SchemaNode>();
  for (const part of conjuncts(root, definitions)) {
    for (const [key, property] of Object.entries(mapOf(part["properties"]))) {
      const own = isSchemaNode(property) ? property : {};
      const other = fields.get(key);
      fields.set(key, other === undefined ? own : { allOf: [other, own] });
    }
  }
  return fields;
}
