import * as fc from "fast-check";
import { Type, type TSchema } from "typebox";

const NAMES = ["a", "b", "c", "kind"] as const;

/** Values that sometimes fit a schema made of {@link NAMES}. */
export const anyValue: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(
      fc.integer({ min: -3, max: 8 }),
      fc.constantFrom(0.5, 2.5, "", "x", "abc", "long text", true, false, null),
    ),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...NAMES, "unknown"), tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

/** Schemas of single values, each with a default that fits. */
const leaves: fc.Arbitrary<readonly [schema: TSchema, fallback: unknown]> = fc.oneof(
  fc
    .record({ minimum: fc.constantFrom(-2, 0, 1), maximum: fc.constantFrom(5, 7) })
    .map((rule) => [Type.Integer(rule), 1] as const),
  fc.constantFrom(0, 1).map((exclusiveMinimum) => [Type.Number({ exclusiveMinimum }), 1.5] as const),
  fc
    .record({ minLength: fc.constantFrom(0, 1), maxLength: fc.constantFrom(3, 20) })
    .map((rule) => [Type.String(rule), "x"] as const),
  fc.constantFrom(
    [Type.Boolean(), true] as const,
    [Type.Null(), null] as const,
    [Type.Unknown(), [1]] as const,
    [Type.Union([Type.Literal("x"), Type.Literal("abc")]), "abc"] as const,
  ),
);
const leaf = leaves.map(([schema]) => schema);

function fieldsOf(schema: fc.Arbitrary<TSchema>): fc.Arbitrary<Record<string, TSchema>> {
  const field = fc.oneof(
    schema,
    schema.map((given) => Type.Optional(given)),
    leaves.map(([given, fallback]) => Type.With(given, { default: fallback })),
  );
  return fc.dictionary(fc.constantFrom("a", "b", "c"), field, { maxKeys: 3, noNullPrototype: true });
}

/** Schemas as users write them; the branches of a union differ by a literal, as the documentation advises. */
export const anySchema: fc.Arbitrary<TSchema> = fc.letrec<{ schema: TSchema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc
      .tuple(fieldsOf(tie("schema")), fc.boolean())
      .map(([fields, closed]) => Type.Object(fields, closed ? { additionalProperties: false } : {})),
    fc
      .tuple(tie("schema"), fc.constantFrom(0, 1), fc.constantFrom(2, 3))
      .map(([items, minItems, maxItems]) => Type.Array(items, { minItems, maxItems })),
    tie("schema").map((items) => Type.Record(Type.String(), items)),
    fc.tuple(tie("schema"), tie("schema")).map((items) => Type.Tuple(items)),
    fc
      .tuple(tie("schema"), leaf)
      .map(([first, second]) =>
        Type.Union([
          Type.Object({ kind: Type.Literal("x"), a: first }),
          Type.Object({ kind: Type.Literal("abc"), b: Type.Optional(second) }),
        ]),
      ),
    tie("schema").map((schema) => Type.Union([schema, Type.Null()])),
  ),
})).schema;

/** A value that mostly fits the schema, which a value of {@link anyValue} almost never does. */
export function valueFor(schema: TSchema): fc.Arbitrary<unknown> {
  const node = schema as Record<string, unknown>;
  const right = ((): fc.Arbitrary<unknown> => {
    if (Array.isArray(node["anyOf"])) return fc.oneof(...(node["anyOf"] as TSchema[]).map(valueFor));
    if ("const" in node) return fc.constant(node["const"]);
    switch (node["type"]) {
      case "integer":
        return fc.integer({ min: 1, max: 5 });
      case "number":
        return fc.constantFrom(1.5, 2, 3.25);
      case "string":
        return fc.constantFrom("x", "abc");
      case "boolean":
        return fc.boolean();
      case "null":
        return fc.constant(null);
      case "array":
        return Array.isArray(node["items"])
          ? fc.tuple(...(node["items"] as TSchema[]).map(valueFor))
          : fc.array(valueFor(node["items"] as TSchema), { minLength: 1, maxLength: 2 });
      case "object":
        return objectFor(node);
      default:
        return anyValue;
    }
  })();
  return fc.oneof({ weight: 12, arbitrary: right }, { weight: 1, arbitrary: anyValue });
}

function objectFor(node: Record<string, unknown>): fc.Arbitrary<unknown> {
  const [map] = Object.values((node["patternProperties"] ?? {}) as Record<string, TSchema>);
  if (map !== undefined) {
    return fc.dictionary(fc.constantFrom(...NAMES), valueFor(map), { maxKeys: 2, noNullPrototype: true });
  }
  const properties = (node["properties"] ?? {}) as Record<string, TSchema>;
  const required = (node["required"] ?? []) as string[];
  const fields = fc.record(
    Object.fromEntries(Object.entries(properties).map(([key, property]) => [key, valueFor(property)])),
    {
      requiredKeys: required.filter((key) => !("default" in (properties[key] as object))),
      noNullPrototype: true,
    },
  );
  if (node["additionalProperties"] === false) return fields;
  return fc.tuple(fields, fc.boolean()).map(([value, more]) => (more ? { ...value, unknown: 1 } : value));
}
