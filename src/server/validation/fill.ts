import { dereference, type CanonicalSchema } from "./canonical.ts";
import { isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";

/** Fills in defaults and drops unknown fields, in place, in a value that is already known to be valid. */
export type Fill = (value: unknown) => void;

/** Tells whether a value fits one branch of a union. */
export type Matcher = (branch: SchemaNode) => (value: unknown) => boolean;

type Fields = Record<string, unknown>;

/** What all parts of a node say together about an object's fields. */
interface Shape {
  readonly properties: Map<string, SchemaNode[]>;
  readonly patterns: [RegExp, SchemaNode][];
  /** True when fields that nobody declared may stay. */
  open: boolean;
  /** True when some part declares properties at all: otherwise the object is a free-form map. */
  declared: boolean;
}

/**
 * Compiles the filler of a schema; undefined where there is nothing to fill or drop. In a union the branch is
 * taken that the value fits and that knows most of its fields.
 */
export function compileFill(schema: CanonicalSchema, matcher: Matcher): Fill | undefined {
  const { definitions } = schema;
  const dropping = new Map<SchemaNode, { fill?: Fill | undefined }>();
  const keeping = new Map<SchemaNode, { fill?: Fill | undefined }>();

  /** @param mayDrop false where another keyword speaks of the same object, and may know what this node does not. */
  const compile = (node: unknown, mayDrop = true): Fill | undefined => {
    if (!isSchemaNode(node)) return undefined;
    const compiled = mayDrop ? dropping : keeping;
    const known = compiled.get(node);
    // A node that refers to itself is met again while it is still being compiled.
    if (known !== undefined) return "fill" in known ? known.fill : (value) => known.fill?.(value);
    const entry: { fill?: Fill | undefined } = {};
    compiled.set(node, entry);
    const parts = partsOf(node);
    const alone = parts.length === 1;
    entry.fill = sequence([
      ...parts.map((part) => compileUnion(part, mayDrop && alone && !isSchemaNode(part["properties"]))),
      ...parts.map(compileArray),
      compileObject(parts, mayDrop),
    ]);
    return entry.fill;
  };

  /** The node, the targets of its `$ref` and the members of its `allOf`: all of them speak of the same value. */
  const partsOf = (node: SchemaNode): SchemaNode[] => {
    const parts = new Set<SchemaNode>();
    const read = (part: unknown): void => {
      if (!isSchemaNode(part) || parts.has(part)) return;
      const { $ref, ...own } = part;
      if ($ref === undefined || Object.keys(own).length > 0) parts.add(part);
      if ($ref !== undefined) read(dereference(part, definitions));
      if (Array.isArray(part["allOf"])) part["allOf"].forEach(read);
    };
    read(node);
    return [...parts];
  };

  const compileUnion = (node: SchemaNode, mayDrop: boolean): Fill | undefined => {
    const branches = [node["anyOf"], node["oneOf"]].flatMap((list) =>
      Array.isArray(list) ? list.filter(isSchemaNode) : [],
    );
    if (branches.length === 0) return undefined;
    const candidates = branches.map((branch) => ({
      matches: matcher(branch),
      fill: compile(branch, mayDrop),
      fields: new Set(readShape(partsOf(branch)).properties.keys()),
    }));
    if (candidates.every(({ fill }) => fill === undefined)) return undefined;
    return (value) => {
      let best: (typeof candidates)[number] | undefined;
      let bestScore = -1;
      for (const candidate of candidates) {
        const score = isFields(value)
          ? Object.keys(value).filter((key) => candidate.fields.has(key)).length
          : 0;
        if (score > bestScore && candidate.matches(value)) [best, bestScore] = [candidate, score];
      }
      best?.fill?.(value);
    };
  };

  const compileArray = (node: SchemaNode): Fill | undefined => {
    const { items } = node;
    if (Array.isArray(items)) {
      const places = items.map((item) => compile(item));
      if (places.every((fill) => fill === undefined)) return undefined;
      return (value) => {
        if (Array.isArray(value)) value.forEach((item, index) => places[index]?.(item));
      };
    }
    const fillItem = compile(items);
    if (fillItem === undefined) return undefined;
    return (value) => {
      if (Array.isArray(value)) for (const item of value) fillItem(item);
    };
  };

  const readShape = (parts: readonly SchemaNode[]): Shape => {
    const shape: Shape = { properties: new Map(), patterns: [], open: false, declared: false };
    for (const part of parts) {
      if (isSchemaNode(part["properties"])) {
        shape.declared = true;
        for (const [key, property] of Object.entries(part["properties"])) {
          const declared = shape.properties.get(key) ?? [];
          shape.properties.set(key, [...declared, ...(isSchemaNode(property) ? [property] : [])]);
        }
      }
      if (isSchemaNode(part["patternProperties"])) {
        for (const [pattern, property] of Object.entries(part["patternProperties"])) {
          shape.patterns.push([new RegExp(pattern, "u"), isSchemaNode(property) ? property : {}]);
        }
      }
      if (SPEAKS_OF_OTHERS.some((keyword) => keyword in part)) shape.open = true;
    }
    return shape;
  };

  const compileObject = (parts: readonly SchemaNode[], mayDrop: boolean): Fill | undefined => {
    const shape = readShape(parts);
    const properties = [...shape.properties].map(([key, nodes]) => ({
      key,
      fill:
        nodes.length === 1 ? compile(nodes[0]) : sequence(nodes.map((property) => compile(property, false))),
      fallback: nodes.find((property) => "default" in property)?.["default"],
    }));
    const patterns = shape.patterns.map(([pattern, property]) => ({ pattern, fill: compile(property) }));
    const rest = sequence(parts.map((part) => compile(part["additionalProperties"])));
    const drops = mayDrop && shape.declared && !shape.open;
    const active = properties.filter(({ fill, fallback }) => fill !== undefined || fallback !== undefined);
    const visitsOthers = rest !== undefined || patterns.some(({ fill }) => fill !== undefined);
    if (active.length === 0 && !drops && !visitsOthers) return undefined;

    return (value) => {
      if (!isFields(value)) return;
      for (const { key, fill, fallback } of active) {
        if (value[key] === undefined && fallback !== undefined) {
          value[key] = typeof fallback === "object" ? structuredClone(fallback) : fallback;
        }
        if (fill !== undefined && value[key] !== undefined) fill(value[key]);
      }
      if (!drops && !visitsOthers) return;
      for (const key in value) {
        if (shape.properties.has(key)) continue;
        if (patterns.length === 0) {
          if (drops) delete value[key];
          else rest?.(value[key]);
          continue;
        }
        const matching = patterns.filter(({ pattern }) => pattern.test(key));
        for (const { fill } of matching) fill?.(value[key]);
        if (matching.length > 0) continue;
        if (drops) delete value[key];
        else rest?.(value[key]);
      }
    };
  };

  return compile(schema.root);
}

/** Keywords that may accept fields which `properties` does not list. */
const SPEAKS_OF_OTHERS = [
  "additionalProperties",
  "anyOf",
  "oneOf",
  "if",
  "not",
  "dependentSchemas",
  "unevaluatedProperties",
];

function sequence(fills: readonly (Fill | undefined)[]): Fill | undefined {
  const steps = fills.filter((fill) => fill !== undefined);
  if (steps.length <= 1) return steps[0];
  return (value) => {
    for (const step of steps) step(value);
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}
