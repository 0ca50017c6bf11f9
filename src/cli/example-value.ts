/** Maximum depth of an example. A recursive schema ends here. */
const MAX_DEPTH = 6;

type Schema = Readonly<Record<string, unknown>>;

/**
 * A small value that fits a JSON Schema, for an example request: the schema's own example or default, else the simplest
 * value within its limits. `pattern` is ignored.
 */
export function exampleOf(schema: unknown, name = "text", depth = 0): unknown {
  if (typeof schema !== "object" || schema === null || depth > MAX_DEPTH) return {};
  const node = schema as Schema;
  const [given] = Array.isArray(node["examples"]) ? node["examples"] : [node["example"]];
  for (const value of [given, node["default"], node["const"]]) if (value !== undefined) return value;
  if (Array.isArray(node["enum"])) return node["enum"][0];
  for (const keyword of ["anyOf", "oneOf"]) {
    const branches = node[keyword];
    if (Array.isArray(branches)) return exampleOf(branches[0], name, depth + 1);
  }
  if (Array.isArray(node["allOf"])) {
    return Object.assign({}, ...node["allOf"].map((part) => exampleOf(part, name, depth + 1))) as object;
  }
  switch (Array.isArray(node["type"]) ? node["type"][0] : node["type"]) {
    case "string":
      return textFor(node, name);
    case "integer":
    case "number":
      return numberFor(node);
    case "boolean":
      return true;
    case "null":
      return null;
    case "array":
      return Array.from({ length: Math.max(1, limit(node, "minItems") ?? 1) }, () =>
        exampleOf(node["items"], name, depth + 1),
      );
    default:
      return objectFor(node, depth);
  }
}

/** Only required properties without a default, to keep the example short. */
function objectFor(node: Schema, depth: number): Record<string, unknown> {
  const properties = (node["properties"] ?? {}) as Record<string, Schema>;
  const required = Array.isArray(node["required"]) ? (node["required"] as string[]) : [];
  const shown = required.filter((name) => properties[name]?.["default"] === undefined);
  return Object.fromEntries(shown.map((name) => [name, exampleOf(properties[name], name, depth + 1)]));
}

const FORMATS: Readonly<Record<string, string>> = {
  date: "2025-01-31",
  "date-time": "2025-01-31T12:00:00Z",
  email: "me@example.com",
  ipv4: "192.0.2.1",
  uri: "https://example.com/",
  url: "https://example.com/",
  uuid: "123e4567-e89b-42d3-a456-426614174000",
};

function textFor(node: Schema, name: string): string {
  const text =
    FORMATS[String(node["format"])] ??
    (name.length > 1 ? `some ${name.replaceAll(/[_-]/g, " ")}` : "some text");
  return text.padEnd(limit(node, "minLength") ?? 0, ".").slice(0, limit(node, "maxLength"));
}

function numberFor(node: Schema): number {
  const above = limit(node, "exclusiveMinimum");
  const below = limit(node, "exclusiveMaximum");
  const isWhole = node["type"] === "integer";
  const least =
    limit(node, "minimum") ??
    (above === undefined ? undefined : isWhole ? Math.floor(above) + 1 : above + 0.5);
  const most =
    limit(node, "maximum") ??
    (below === undefined ? undefined : isWhole ? Math.ceil(below) - 1 : below - 0.5);
  const step = limit(node, "multipleOf") ?? (isWhole ? 1 : 0);
  const wish = Math.min(Math.max(1, least ?? -Infinity), most ?? Infinity);
  if (step <= 0) return wish;
  const up = Math.ceil(wish / step) * step;
  return most !== undefined && up > most ? Math.floor(wish / step) * step : up;
}

function limit(node: Schema, keyword: string): number | undefined {
  return typeof node[keyword] === "number" ? node[keyword] : undefined;
}
