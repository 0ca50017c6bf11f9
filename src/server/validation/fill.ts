import { isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";
import { dereference, type CanonicalSchema } from "./canonical.ts";
import type { Discriminators } from "./discriminators.ts";
import { isFields, readField } from "./fields.ts";
import type { KeyPattern, Step, Style } from "./object-steps.ts";
import { patternTest } from "./patterns/refusal.ts";

/** Tells whether a value fits one branch of a union. */
export type Matcher = (branch: SchemaNode, value: unknown) => boolean;

/** What all parts of a node say together about an object's fields. */
interface Shape {
  readonly properties: Map<string, SchemaNode[]>;
  readonly patterns: [KeyPattern, SchemaNode][];
  /** True when fields that nobody declared may stay. */
  open: boolean;
  /** True when some part says which properties there are: otherwise the object is a free-form map. */
  declared: boolean;
}

/**
 * Compiles what fills in defaults and drops unknown fields in a value that is already known to fit; undefined where
 * there is nothing to fill or drop. In a union the branch is taken that the value fits and that knows most of its
 * fields.
 */
export function compileFill(
  schema: CanonicalSchema,
  { matches, discriminators }: { readonly matches: Matcher; readonly discriminators: Discriminators },
  style: Style,
): Step | undefined {
  const { definitions } = schema;
  const dropping = new Map<SchemaNode, { step?: Step | undefined }>();
  const keeping = new Map<SchemaNode, { step?: Step | undefined }>();

  /** @param mayDrop false where another keyword speaks of the same object, and may know what this node does not. */
  const compile = (node: unknown, mayDrop = true): Step | undefined => {
    if (!isSchemaNode(node)) return undefined;
    const compiled = mayDrop ? dropping : keeping;
    const known = compiled.get(node);
    // A node that refers to itself is met again while it is still being compiled.
    if (known !== undefined)
      return "step" in known ? known.step : (value) => (known.step === undefined ? value : known.step(value));
    const entry: { step?: Step | undefined } = {};
    compiled.set(node, entry);
    const parts = partsOf(node);
    const alone = parts.length === 1;
    entry.step = sequence([
      ...parts.map((part) => compileUnion(part, mayDrop && alone && !isSchemaNode(part["properties"]))),
      ...parts.map(compileArray),
      compileObject(parts, mayDrop),
    ]);
    return entry.step;
  };

  /** The node, the targets of its `$ref` and the members of its `allOf`: all of them speak of the same value. */
  const partsOf = (node: SchemaNode): SchemaNode[] => {
    const parts = new Set<SchemaNode>();
    const read = (part: unknown): void => {
      if (!isSchemaNode(part) || parts.has(part)) return;
      const { $ref, ...own } = part;
      if ($ref === undefined || Object.keys(own).some((keyword) => !NOTES.has(keyword))) parts.add(part);
      if ($ref !== undefined) read(dereference(part, definitions));
      if (Array.isArray(part["allOf"])) part["allOf"].forEach(read);
    };
    read(node);
    return [...parts];
  };

  const compileUnion = (node: SchemaNode, mayDrop: boolean): Step | undefined => {
    const branches = [node["anyOf"], node["oneOf"]].flatMap((list) =>
      Array.isArray(list) ? list.filter(isSchemaNode) : [],
    );
    const candidates = branches.map((branch) => ({
      branch,
      step: compile(branch, mayDrop),
      fields: [...readShape(partsOf(branch)).properties.keys()],
    }));
    if (candidates.every(({ step }) => step === undefined)) return undefined;
    const decided = decidedSteps(node, candidates);
    return (value) => {
      if (decided !== undefined && isFields(value)) {
        const step = decided.steps.get(readField(value, decided.field));
        return step === undefined ? value : step(value);
      }
      let best: (typeof candidates)[number] | undefined;
      let bestScore = -1;
      for (const candidate of candidates) {
        const { branch, fields } = candidate;
        const score = isFields(value)
          ? fields.filter((key) => readField(value, key) !== undefined).length
          : 0;
        if (score > bestScore && matches(branch, value)) [best, bestScore] = [candidate, score];
      }
      return best?.step === undefined ? value : best.step(value);
    };
  };

  /** What to do with a value by the field that tells the branches apart, where there is one. */
  const decidedSteps = (
    node: SchemaNode,
    candidates: readonly { readonly branch: SchemaNode; readonly step: Step | undefined }[],
  ): { readonly field: string; readonly steps: ReadonlyMap<unknown, Step | undefined> } | undefined => {
    if (node["anyOf"] !== undefined && node["oneOf"] !== undefined) return undefined;
    const discriminator = discriminators.of(node["anyOf"] ?? node["oneOf"]);
    if (discriminator === undefined) return undefined;
    const stepOf = new Map(candidates.map(({ branch, step }) => [branch, step]));
    const steps = [...discriminator.branchOf].map(([value, branch]) => [value, stepOf.get(branch)] as const);
    return { field: discriminator.field, steps: new Map(steps) };
  };

  const compileArray = (node: SchemaNode): Step | undefined => {
    const { prefixItems } = node;
    const places = (Array.isArray(prefixItems) ? prefixItems : []).map((item) => compile(item));
    const rest = compile(node["items"]);
    if (rest === undefined && places.every((step) => step === undefined)) return undefined;
    return style.array(
      places.length === 0 ? () => rest : (index) => (index in places ? places[index] : rest),
    );
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
          shape.patterns.push([{ test: patternTest(pattern) }, isSchemaNode(property) ? property : {}]);
        }
      }
      if (part["additionalProperties"] === false) shape.declared = true;
      if (SPEAKS_OF_OTHERS.some((keyword) => (part[keyword] ?? false) !== false)) shape.open = true;
    }
    return shape;
  };

  const compileObject = (parts: readonly SchemaNode[], mayDrop: boolean): Step | undefined => {
    const shape = readShape(parts);
    return style.object({
      properties: [...shape.properties].map(([key, nodes]) => ({
        key,
        step: nodes.length === 1 ? compile(nodes[0]) : sequence(nodes.map((node) => compile(node, false))),
        fallback: nodes.find((node) => "default" in node)?.["default"],
      })),
      declared: new Set(shape.properties.keys()),
      patterns: shape.patterns.map(([pattern, property]) => ({ pattern, step: compile(property) })),
      rest: sequence(parts.map((part) => compile(part["additionalProperties"]))),
      drops: mayDrop && shape.declared && !shape.open,
    });
  };

  return compile(schema.root);
}

/** Keywords beside a `$ref` that say nothing about the value. */
const NOTES: ReadonlySet<string> = new Set(["default", "deprecated", "description", "examples", "title"]);

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

function sequence(steps: readonly (Step | undefined)[]): Step | undefined {
  const all = steps.filter((step) => step !== undefined);
  if (all.length <= 1) return all[0];
  return (value) => all.reduce((now, step) => step(now), value);
}
