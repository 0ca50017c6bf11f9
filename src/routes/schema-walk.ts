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
const MAPS = [
  "$defs",
  "definitions",
  "dependencies",
  "dependentSchemas",
  "patternProperties",
  "properties",
] as const;

/** Whether a value is a schema object. Boolean schemas have no content to inspect. */
export function isSchemaNode(value: unknown): value is SchemaNode {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Copies a schema node and replaces each direct subschema by the result of `visit`. `path` leads from the node to the
 * subschema: `["properties", "name"]`, `["anyOf", 1]`, `["items"]`.
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

/**
 * Converts a node to JSON Schema 2020-12: replaces keywords of older drafts and OpenAPI 3.0 (`items` as an array,
 * `dependencies`, `nullable`).
 */
export function modernise(node: SchemaNode): Record<string, unknown> {
  const { items, additionalItems, dependencies, nullable, ...rest } = node;
  const modern: Record<string, unknown> = { ...rest };
  if (Array.isArray(items)) {
    if (items.length > 0) modern["prefixItems"] = items;
    if (additionalItems !== undefined) modern["items"] = additionalItems;
  } else if (items !== undefined) modern["items"] = items;
  if (isSchemaNode(dependencies)) {
    const all = Object.entries(dependencies);
    const names = all.filter(([, demand]) => Array.isArray(demand));
    const schemas = all.filter(([, demand]) => !Array.isArray(demand));
    if (names.length > 0)
      modern["dependentRequired"] = { ...Object.fromEntries(names), ...mapAt(node, "dependentRequired") };
    if (schemas.length > 0)
      modern["dependentSchemas"] = { ...Object.fromEntries(schemas), ...mapAt(node, "dependentSchemas") };
  }
  if (nullable === true && modern["type"] !== undefined) {
    modern["type"] = [...new Set([modern["type"], "null"].flat())];
  }
  return modern;
}

function mapAt(node: SchemaNode, keyword: string): SchemaNode {
  return isSchemaNode(node[keyword]) ? node[keyword] : {};
}

/** The name that a `$ref` points at (`Node` for `#/$defs/Node`), or "" for the root (`#`). */
export function refName(ref: string): string {
  if (ref === "#") return "";
  return decodeURIComponent(ref.replace(/^#\/(?:\$defs|definitions)\//, "").replace(/#$/, ""))
    .replaceAll("~1", "/")
    .replaceAll("~0", "~");
}

/** The values of an enumeration, a constant, or a union of constants; undefined for other schemas. */
export function literalValues(node: SchemaNode): readonly unknown[] | undefined {
  if (Array.isArray(node["enum"])) return node["enum"];
  if ("const" in node) return [node["const"]];
  const branches = node["anyOf"] ?? node["oneOf"];
  if (!Array.isArray(branches) || branches.length === 0) return undefined;
  const values = branches.map((branch) => (isSchemaNode(branch) ? literalValues(branch) : undefined));
  return values.every((list) => list !== undefined) ? values.flat() : undefined;
}
