/* oxlint-disable unicorn/no-thenable -- "then" is a keyword of JSON Schema */
import * as fc from "fast-check";

type Node = Record<string, unknown>;

const KINDS = ["x", "y"] as const;

/** Objects of declared, undeclared and secret fields, nested in each other and in lists. */
const anyFields: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(1, 2, "x", "y", null, true),
    fc.array(tie("value"), { maxLength: 3 }),
    fields(tie("value")),
  ),
})).value;

function fields(value: fc.Arbitrary<unknown>): fc.Arbitrary<Node> {
  const others = fc.dictionary(fc.constantFrom("a", "b", "c", "x_1", "secret", "passwordHash"), value, {
    maxKeys: 5,
    noNullPrototype: true,
  });
  return fc
    .tuple(others, fc.constantFrom(...KINDS, undefined))
    .map(([given, kind]) => (kind === undefined ? given : { ...given, kind }));
}

const kindIs = (kind: string): Node => ({ properties: { kind: { const: kind } }, required: ["kind"] });

/** Schemas in which many keywords apply to the same object. None is closed, so that most values fit. */
export const composedSchemas: fc.Arbitrary<Node> = fc
  .letrec<{ schema: Node; object: Node }>((tie) => {
    const schema = tie("schema");
    const object = tie("object");
    // Each name has one default: other tests cover which of several defaults is used.
    const withDefault = (node: fc.Arbitrary<Node>, fallback: unknown): fc.Arbitrary<Node | undefined> =>
      fc.oneof(
        schema,
        schema,
        fc.constant(undefined),
        node.map((given) => ({ ...given, default: fallback })),
      );
    const plain = fc
      .record({
        a: withDefault(fc.constant({}), 1),
        b: withDefault(fc.constant({}), "x"),
        c: withDefault(object, {}),
      })
      .map((properties): Node => ({
        properties: Object.fromEntries(Object.entries(properties).filter(([, node]) => node !== undefined)),
      }));
    return {
      schema: fc.oneof(
        { maxDepth: 4 },
        fc.constant({}),
        fc.constant({}),
        object,
        object.map((items) => ({ items })),
        fc.tuple(object, object).map(([first, rest]) => ({ prefixItems: [first], items: rest })),
        fc.tuple(object, object).map(([items, contains]) => ({ items, contains, minContains: 0 })),
      ),
      object: fc.oneof(
        { maxDepth: 4 },
        plain,
        plain,
        fc.constant({ type: "object" }),
        fc.tuple(plain, schema).map(([node, more]) => ({ ...node, additionalProperties: more })),
        fc.tuple(plain, object).map(([node, more]) => ({ ...node, patternProperties: { "^x_": more } })),
        fc.tuple(plain, object).map(([node, more]) => ({ ...node, unevaluatedProperties: more })),
        fc.tuple(plain, object, object).map(([node, ...allOf]) => ({ ...node, allOf })),
        fc.tuple(plain, object, object).map(([node, ...anyOf]) => ({ ...node, anyOf })),
        fc.tuple(plain, object).map(([node, more]) => ({ ...node, anyOf: [more, {}] })),
        fc.tuple(plain, object, object).map(([node, first, second]) => ({
          ...node,
          oneOf: [
            { allOf: [kindIs("x"), first] },
            { allOf: [kindIs("y"), second] },
            { properties: { kind: { not: { enum: ["x", "y"] } } } },
          ],
        })),
        fc.tuple(plain, object, object).map(([node, first, second]) => ({
          allOf: [node, { if: kindIs("x"), then: first, else: second }],
        })),
        fc.tuple(plain, object).map(([node, more]) => ({ ...node, dependentSchemas: { a: more } })),
        fc.tuple(plain, object).map(([node, more]) => ({ ...node, not: { ...more, required: ["nowhere"] } })),
        fc
          .constantFrom("Leaf", "Tree")
          .chain((name) => plain.map((node) => ({ ...node, $ref: `#/$defs/${name}` }))),
      ),
    };
  })
  .object.map((root) => ({
    ...root,
    $defs: {
      Leaf: { properties: { b: { default: "x" }, c: {} } },
      Tree: {
        properties: { a: { $ref: "#/$defs/Tree" }, c: { items: { $ref: "#/$defs/Tree" } } },
        anyOf: [{ properties: { b: {} }, required: ["b"] }, { properties: { kind: {} } }],
      },
    },
  }));

/** Objects to check against them. */
export const composedValues: fc.Arbitrary<Node> = fields(anyFields);
