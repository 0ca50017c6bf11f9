import * as fc from "fast-check";
import type { SchemaNode } from "../../src/routes/schema-walk.ts";

const KEYS = ["a", "b", "kind", "c", "a\nb"] as const;
const VALUES = [
  null,
  true,
  0,
  1,
  1.5,
  "",
  "x",
  "ab",
  "a\nb",
  "😀😀",
  [],
  [1],
  [1, 1],
  {},
  { a: 1 },
  { b: [1], a: 1 },
] as const;

const key = fc.constantFrom(...KEYS);
const small = fc.integer({ min: 0, max: 3 });
const value = fc.constantFrom(...VALUES);

/** Values of every type, made of the same few keys and strings as the schemas. */
export const anyJson: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    value,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

/** Keywords that restrict a whole value, each with a possible value. */
const rules: readonly fc.Arbitrary<SchemaNode>[] = [
  fc
    .constantFrom("array", "boolean", "integer", "null", "number", "object", "string")
    .map((type) => ({ type })),
  fc.constant({ type: ["string", "object"] }),
  fc.uniqueArray(value, { minLength: 1, maxLength: 12 }).map((list) => ({ enum: list })),
  value.map((only) => ({ const: only })),
  fc.constantFrom("multipleOf", "exclusiveMaximum", "maximum").map((keyword) => ({ [keyword]: 1 })),
  fc.constantFrom("minimum", "exclusiveMinimum").map((keyword) => ({ [keyword]: 1 })),
  fc
    .tuple(
      fc.constantFrom("minLength", "minItems", "minProperties", "maxLength", "maxItems", "maxProperties"),
      small,
    )
    .map(([keyword, limit]) => ({ [keyword]: limit })),
  fc.constantFrom("^a", "^[a-z]+$", "\\n", "^(?:ab|x)*$", "b$").map((pattern) => ({ pattern })),
  fc.constantFrom("date", "email", "uuid", "ipv4", "byte", "uri").map((format) => ({ format })),
  fc.boolean().map((uniqueItems) => ({ uniqueItems })),
  fc.uniqueArray(key, { maxLength: 2 }).map((required) => ({ required })),
  fc
    .tuple(key, fc.uniqueArray(key, { maxLength: 2 }))
    .map(([from, names]) => ({ dependentRequired: { [from]: names } })),
];

/** Any schema of 2020-12 over these keys, including recursive references and `unevaluated…` keywords. */
export const anyJsonSchema: fc.Arbitrary<SchemaNode> = fc
  .letrec<{ schema: SchemaNode | boolean }>((tie) => {
    const schema = tie("schema");
    const list = fc.array(schema, { minLength: 1, maxLength: 3 });
    const applied: readonly fc.Arbitrary<SchemaNode>[] = [
      fc.constantFrom("#", "#/$defs/Other").map(($ref) => ({ properties: { a: { $ref } } })),
      fc.constantFrom("#", "#/$defs/Other").map(($ref) => ({ items: { $ref } })),
      ...["anyOf", "oneOf", "allOf", "prefixItems"].map((keyword) => list.map((all) => ({ [keyword]: all }))),
      ...["not", "items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems"].map(
        (keyword) => schema.map((one) => ({ [keyword]: one })),
      ),
      fc
        .tuple(schema, schema, schema)
        .map(([condition, yes, no]) => ({ if: condition, then: yes, else: no })),
      fc.tuple(schema, small, fc.integer({ min: 3, max: 4 })).map(([contains, minContains, maxContains]) => ({
        contains,
        minContains,
        maxContains,
      })),
      schema.map((contains) => ({ contains })),
      schema.map((names) => ({ propertyNames: names })),
      fc.dictionary(key, schema, { maxKeys: 3, noNullPrototype: true }).map((properties) => ({ properties })),
      fc.tuple(key, schema).map(([from, one]) => ({ dependentSchemas: { [from]: one } })),
      fc
        .tuple(fc.constantFrom("^a", "b$", "^.$"), schema)
        .map(([pattern, one]) => ({ patternProperties: { [pattern]: one } })),
      fc.tuple(schema, schema).map(([one, other]) => ({
        type: "object",
        anyOf: [
          { type: "object", properties: { a: one, kind: { const: "x" } }, required: ["kind"] },
          {
            type: "object",
            properties: { a: other, b: other, kind: { enum: ["ab", ""] } },
            required: ["kind"],
          },
        ],
      })),
    ];
    const node = fc
      .tuple(
        fc.array(fc.oneof(...rules), { maxLength: 2 }),
        fc.array(fc.oneof({ maxDepth: 4 }, fc.constant<SchemaNode>({}), ...applied), { maxLength: 2 }),
      )
      .map(([some, more]): SchemaNode => Object.assign({}, ...some, ...more) as SchemaNode);
    return { schema: fc.oneof({ weight: 1, arbitrary: fc.boolean() }, { weight: 9, arbitrary: node }) };
  })
  .schema.filter((schema) => typeof schema === "object")
  .chain((schema) =>
    fc
      .constantFrom<SchemaNode>(
        { type: "object", properties: { b: { $ref: "#" } } },
        { type: "array", items: { $ref: "#" } },
        {
          minLength: 2,
        },
      )
      .map((other) => ({ ...schema, $defs: { Other: other } })),
  );
