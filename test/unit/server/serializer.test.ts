import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { createSerializer } from "../../../src/server/serializer.ts";
import { compileInput } from "../../helpers/issues.ts";
import { Tree } from "../../helpers/schemas.ts";

const serialize = (schema: object, value: unknown): unknown =>
  JSON.parse(createSerializer(compileInput(schema).document)(value));

test("fields that the schema does not know are left out, at every depth", () => {
  const schema = Type.Object({ a: Type.Object({ b: Type.Integer() }), list: Type.Array(Type.Object({})) });
  assert.deepEqual(serialize(schema, { a: { b: 1, x: 2 }, list: [{ x: 1 }], secret: 3 }), {
    a: { b: 1 },
    list: [{}],
  });
});

test("a missing field with a default goes out with it, in a union as well", () => {
  const fields = Type.Object({ a: Type.String({ default: "x" }) });
  assert.deepEqual(serialize(fields, {}), { a: "x" });
  assert.deepEqual(serialize(Type.Union([fields, Type.Null()]), {}), { a: "x" });
  assert.equal(serialize(Type.Union([fields, Type.Null()]), null), null);
});

test("a schema that refers to itself is written to any depth", () => {
  const tree = { label: "a", weight: 2, children: [{ label: "b", weight: 1, children: [] }] };
  assert.deepEqual(serialize(Tree, tree), tree);
});

test("what is not of the schema's own object is read as well: getters and inherited fields", () => {
  class Point {
    get x(): number {
      return 5;
    }
  }
  assert.deepEqual(serialize(Type.Object({ x: Type.Integer() }), new Point()), { x: 5 });
});
