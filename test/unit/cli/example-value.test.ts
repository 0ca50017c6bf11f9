import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Type, type TSchema } from "typebox";
import { exampleOf } from "../../../src/cli/example-value.ts";
import { Validator } from "../../../src/server/validation/validator.ts";

const named = fc.constantFrom("prompt", "num_steps", "n");
const bounds = fc
  .tuple(fc.integer({ min: -50, max: 50 }), fc.nat(50))
  .map(([least, span]) => [least, least + span] as const);
const leaf: fc.Arbitrary<TSchema> = fc.oneof(
  fc
    .tuple(fc.nat(20), fc.nat(20))
    .map(([least, more]) => Type.String({ minLength: least, maxLength: least + more })),
  fc
    .constantFrom("email", "uri", "date-time", "date", "uuid", "ipv4")
    .map((format) => Type.String({ format })),
  bounds.map(([minimum, maximum]) => Type.Integer({ minimum, maximum })),
  bounds.map(([minimum, maximum]) => Type.Number({ minimum, maximum })),
  fc.integer({ min: -50, max: 50 }).map((exclusiveMinimum) => Type.Integer({ exclusiveMinimum })),
  fc.integer({ min: -50, max: 50 }).map((exclusiveMaximum) => Type.Number({ exclusiveMaximum })),
  fc.integer({ min: 1, max: 9 }).map((multipleOf) => Type.Integer({ multipleOf, minimum: 4, maximum: 40 })),
  fc.constant(Type.Boolean()),
  fc.constant(Type.Null()),
  fc.constant(Type.Literal("png")),
  fc.constant(Type.Union([Type.Literal("png"), Type.Literal("jpeg")])),
  fc.constant(Type.Enum({ a: "x", b: "y" })),
);
const { schema } = fc.letrec<{ schema: TSchema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    leaf,
    fc.tuple(tie("schema"), fc.nat(3)).map(([item, minItems]) => Type.Array(item, { minItems })),
    fc
      .dictionary(named, fc.tuple(tie("schema"), fc.boolean()), { maxKeys: 3 })
      .map((properties) =>
        Type.Object(
          Object.fromEntries(
            Object.entries(properties).map(([name, [item, isOptional]]) => [
              name,
              isOptional ? Type.Optional(item) : item,
            ]),
          ),
        ),
      ),
  ),
}));

test("an example matches its schema", () => {
  const validator = new Validator();
  fc.assert(
    fc.property(schema, (each) => {
      const compiled = validator.compile(each, "the example");
      const example = exampleOf(each);
      assert.ok(compiled.fits(example), JSON.stringify({ each, example }));
    }),
    { numRuns: 200 },
  );
});

test("examples and defaults from the schema are used", () => {
  assert.equal(exampleOf(Type.String({ examples: ["a cat"] })), "a cat");
  assert.equal(exampleOf(Type.Integer({ default: 7 })), 7);
  const input = Type.Object({
    prompt: Type.String({ examples: ["a cat"] }),
    steps: Type.Integer({ default: 5 }),
  });
  assert.deepEqual(exampleOf(input), { prompt: "a cat" });
});

test("the example of a recursive schema is finite", () => {
  const node: Record<string, unknown> = { type: "object", required: ["next"] };
  node["properties"] = { next: node };
  assert.ok(JSON.stringify(exampleOf(node)).length < 200);
});
