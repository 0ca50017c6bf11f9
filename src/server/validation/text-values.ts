import { isSchemaNode, literalValues, type SchemaNode } from "../../routes/schema-walk.ts";
import { conjuncts, dereference, listOf, mapOf } from "./canonical-nodes.ts";
import type { CanonicalSchema } from "./canonical.ts";

/** Converts a text to the value that a schema describes; returns texts that it can't convert unchanged. */
export type ConvertText = (text: string) => unknown;

/** How the texts of one field become its value. */
export interface FieldConversion {
  /** Whether the field takes all texts, as a list. */
  readonly isList: boolean;
  /** Whether a text that is empty stands for a missing value. */
  readonly ignoresEmpty: boolean;
  readonly convert: ConvertText;
}

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["false", false],
  ["1", true],
  ["0", false],
  ["on", true], // a checkbox of an HTML form
  ["off", false],
]);
/** References that are followed to find out which types a schema accepts. */
const MAX_DEPTH = 32;

/**
 * How texts become the values of an object's fields, for bodies and parameters that have only texts. Converts only what
 * is unambiguous; the validator rejects the rest.
 * @param document a schema in canonical form, as a single document
 * @param readJson reads the text of a field that is an object
 */
export function fieldConversions(
  document: SchemaNode,
  readJson: ConvertText,
): ReadonlyMap<string, FieldConversion> {
  const definitions = mapOf(document["$defs"]) as CanonicalSchema["definitions"];
  const conversions = new Map<string, FieldConversion>();
  for (const part of conjuncts(document, definitions)) {
    for (const [name, node] of Object.entries(mapOf(part["properties"]))) {
      if (isSchemaNode(node)) conversions.set(name, conversionOf(node, definitions, readJson));
    }
  }
  return conversions;
}

function conversionOf(
  node: SchemaNode,
  definitions: CanonicalSchema["definitions"],
  readJson: ConvertText,
): FieldConversion {
  const kinds = new Set<string>();
  const literals: unknown[] = [];
  collect(node, 0);
  const items = itemsOf(node, definitions);
  const isList = kinds.has("array") && !kinds.has("string");
  if (isList && items !== undefined) {
    return { ...conversionOf(items, definitions, readJson), isList, ignoresEmpty: false };
  }
  const takesText = kinds.has("string") || kinds.size === 0;
  const convert = (text: string): unknown => {
    for (const literal of literals) if (String(literal) === text) return literal;
    if (takesText) return text;
    if ((kinds.has("number") || kinds.has("integer")) && NUMBER.test(text)) return exactNumber(text);
    if (kinds.has("boolean") && BOOLEANS.has(text)) return BOOLEANS.get(text);
    if (kinds.has("null") && (text === "null" || text === "")) return null;
    return kinds.has("object") ? readJson(text) : text;
  };
  return { isList, ignoresEmpty: !takesText && !kinds.has("null"), convert };

  function collect(given: SchemaNode, depth: number): void {
    if (depth > MAX_DEPTH) return;
    const own = dereference(given, definitions);
    const values = literalValues(own);
    if (values !== undefined) {
      literals.push(...values);
      for (const value of values) kinds.add(value === null ? "null" : typeof value);
    }
    for (const type of [own["type"]].flat()) if (typeof type === "string") kinds.add(type);
    if (own["type"] === undefined && isSchemaNode(own["properties"])) kinds.add("object");
    for (const branch of ["anyOf", "oneOf", "allOf"].flatMap((keyword) => listOf(own[keyword]))) {
      if (isSchemaNode(branch)) collect(branch, depth + 1);
    }
  }
}

/** The number that a text shows; the text itself, which is then rejected, if a double would change its digits. */
function exactNumber(text: string): number | string {
  const value = Number(text);
  if (!Number.isFinite(value)) return text;
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? text : value;
}

/** The schema of a list's items; undefined if there is none, or one for each position. */
function itemsOf(node: SchemaNode, definitions: CanonicalSchema["definitions"]): SchemaNode | undefined {
  const own = dereference(node, definitions);
  if (isSchemaNode(own["items"])) return own["items"];
  const branches = [...listOf(own["anyOf"]), ...listOf(own["oneOf"])].filter(isSchemaNode);
  return branches.map((branch) => itemsOf(branch, definitions)).find((items) => items !== undefined);
}
