/** A JSON Schema node as a plain record. */
export type SchemaNode = Readonly<Record<string, unknown>>;

const SINGLE = [
  "additionalItems",
  "additionalProperties",
  "contains",
  "else",
  "if",
  "items",
  "not",
  "propertyNames",
  "then",
  "unevaluatedItems",
  "unevaluatedProperties",
] as const;
const LISTS = ["allOf", "anyOf", "items", "oneOf", "prefixItems"] as const;
const MAPS = ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"] as const;

/** True for a schema that is an object; booleans are schemas too, but hold nothing to look at. */
export function isSchemaNode(value: unknown): value is SchemaNode {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Copies a schema node with each of its direct subschemas replaced by what `visit` returns. `path` leads from the
 * node to the subschema: `["properties", "name"]`, `["anyOf", 1]`, `["items"]`.
 */
export function mapSubschemas(
  node: SchemaNode,
  visit: (subschema: SchemaNode, path: readonly [keyword: string, key?: string | number]) => unknown,
): Record<string, unknown> {
  const copy: Record<string, unknown> = { ...node };
  const visitAny = (value: unknown, path: [string, (string | number)?]): unknown =>
    isSchemaNode(value) ? visit(value, path) : value;
  for (const keyword of SINGLE) {
    if (isSchemaNode(copy[keyword])) copy[keyword] = visitAny(copy[keyword], [keyword]);
  }
  for (const keyword of LISTS) {
    const list = copy[keyword];
    if (Array.isArray(list)) copy[keyword] = list.map((item, index) => visitAny(item, [keyword, index]));
  }
  for (const keyword of MAPS) {
    const map = copy[keyword];
    if (!isSchemaNode(map)) continue;
    copy[keyword] = Object.fromEntries(
      Object.entries(map).map(([key, item]) => [key, visitAny(item, [keyword, key])]),
    );
  }
  return copy;
}

/** The name a `$ref` points at (`Node`, `#/$defs/Node`), or "" for the root (`#`). */
export function refName(ref: string): string {
  if (ref === "#") return "";
  return decodeURIComponent(ref.replace(/^#\/(?:\$defs|definitions)\//, "").replace(/#$/, ""))
    .replaceAll("~1", "/")
    .replaceAll("~0", "~");
}

/** True when every branch of a union is a constant: such a union reads as an enumeration. */
export function literalValues(node: SchemaNode): readonly unknown[] | undefined {
  if (Array.isArray(node["enum"])) return node["enum"];
  if ("const" in node) return [node["const"]];
  const branches = node["anyOf"] ?? node["oneOf"];
  if (!Array.isArray(branches) || branches.length === 0) return undefined;
  const values = branches.map((branch) => (isSchemaNode(branch) ? literalValues(branch) : undefined));
  return values.every((list) => list !== undefined) ? values.flat() : undefined;
}
