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

/** The order in which the subschemas of a node are visited: by the keyword, and whether its value is a list. */
const RANKS_OF_OBJECTS = new Map<string, number>([
  ...SINGLE.map((keyword, index) => [keyword, index] as const),
  ...MAPS.map((keyword, index) => [keyword, SINGLE.length + LISTS.length + index] as const),
]);
const RANKS_OF_LISTS = new Map<string, number>(
  LISTS.map((keyword, index) => [keyword, SINGLE.length + index]),
);
const FIRST_MAP = SINGLE.length + LISTS.length;

/** The rank of a keyword that holds subschemas; undefined for any other. */
function rankOf(keyword: string, value: unknown): number | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  return (Array.isArray(value) ? RANKS_OF_LISTS : RANKS_OF_OBJECTS).get(keyword);
}

/** The keywords of a node that hold subschemas, in order. Most nodes have none or one, so that nothing is sorted. */
function placesOf(node: SchemaNode): readonly string[] {
  let places: string[] | undefined;
  for (const keyword of Object.keys(node)) {
    if (rankOf(keyword, node[keyword]) === undefined) continue;
    if (places === undefined) places = [keyword];
    else places.push(keyword);
  }
  if (places === undefined || places.length === 1) return places ?? [];
  return places.sort((a, b) => (rankOf(a, node[a]) ?? 0) - (rankOf(b, node[b]) ?? 0));
}

/** The way from a node to a subschema: `["properties", "name"]`, `["anyOf", 1]`, `["items"]`. */
type SubschemaPath = readonly [keyword: string, key?: string | number];

/** Visits each direct subschema of a node. */
export function eachSubschema(
  node: SchemaNode,
  visit: (subschema: SchemaNode, path: SubschemaPath) => void,
): void {
  for (const keyword of placesOf(node)) {
    const value = node[keyword];
    if (Array.isArray(value)) {
      value.forEach((item, index) => {
        if (isSchemaNode(item)) visit(item, [keyword, index]);
      });
    } else if ((rankOf(keyword, value) ?? 0) >= FIRST_MAP) {
      for (const [key, item] of Object.entries(value as SchemaNode)) {
        if (isSchemaNode(item)) visit(item, [keyword, key]);
      }
    } else visit(value as SchemaNode, [keyword]);
  }
}

/** Copies a schema node and replaces each direct subschema by the result of `visit`. */
export function mapSubschemas(
  node: SchemaNode,
  visit: (subschema: SchemaNode, path: SubschemaPath) => unknown,
): Record<string, unknown> {
  const copy: Record<string, unknown> = { ...node };
  for (const keyword of placesOf(node)) {
    const value = node[keyword];
    if (Array.isArray(value)) {
      copy[keyword] = value.map((item, index) => (isSchemaNode(item) ? visit(item, [keyword, index]) : item));
    } else if ((rankOf(keyword, value) ?? 0) >= FIRST_MAP) {
      copy[keyword] = Object.fromEntries(
        Object.entries(value as SchemaNode).map(([key, item]) => [
          key,
          isSchemaNode(item) ? visit(item, [keyword, key]) : item,
        ]),
      );
    } else copy[keyword] = visit(value as SchemaNode, [keyword]);
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
