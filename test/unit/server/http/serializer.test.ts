import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { OutputValidationError } from "../../../../src/errors.ts";
import { createSerializer } from "../../../../src/server/http/serializer.ts";
import { compileInput } from "../../../helpers/issues.ts";
import { Tree } from "../../../helpers/schemas.ts";

const serialize = (schema: object, value: unknown): unknown =>
  JSON.parse(createSerializer(compileInput(schema), "run")(value));

test("fields that are not in the schema are omitted, at every depth", () => {
  const schema = Type.Object({ a: Type.Object({ b: Type.Integer() }), list: Type.Array(Type.Object({})) });
  assert.deepEqual(serialize(schema, { a: { b: 1, x: 2 }, list: [{ x: 1 }], secret: 3 }), {
    a: { b: 1 },
    list: [{}],
  });
});

test("a missing field with a default is written with it, in a union as well", () => {
  const fields = Type.Object({ a: Type.String({ default: "x" }) });
  assert.deepEqual(serialize(fields, {}), { a: "x" });
  assert.deepEqual(serialize(Type.Union([fields, Type.Null()]), {}), { a: "x" });
  assert.equal(serialize(Type.Union([fields, Type.Null()]), null), null);
});

test("a recursive schema is written to any depth", () => {
  const tree = { label: "a", weight: 2, children: [{ label: "b", weight: 1, children: [] }] };
  assert.deepEqual(serialize(Tree, tree), tree);
});

test("getters and inherited fields are written as well", () => {
  class Point {
    get x(): number {
      return 5;
    }
  }
  assert.deepEqual(serialize(Type.Object({ x: Type.Integer() }), new Point()), { x: 5 });
});

test("the items of a tuple may have any schema", () => {
  const point = Type.Object({ x: Type.Integer() }, { $id: "Point" });
  const schema = Type.Tuple([
    Type.Unknown(),
    Type.Union([Type.String(), point]),
    Type.Union([point, Type.Null()]),
  ]);
  assert.deepEqual(serialize(schema, [{ any: 1 }, { x: 1, y: 2 }, null]), [{ any: 1 }, { x: 1 }, null]);
  assert.deepEqual(serialize(schema, ["a", "b", { x: 1, y: 2 }]), ["a", "b", { x: 1 }]);
  const open = { type: "array", items: [{}], additionalItems: point };
  assert.deepEqual(serialize(open, [{ y: 1 }, { x: 1, y: 1 }]), [{ y: 1 }, { x: 1 }]);
});

test("a union is written by the matching branch with most of the value's fields, in any order of branches", () => {
  const small = Type.Object({ a: Type.Integer() });
  const large = Type.Object({ a: Type.Integer(), b: Type.Optional(Type.Object({ c: Type.Integer() })) });
  for (const branches of [
    [small, large],
    [large, small],
  ]) {
    assert.deepEqual(serialize(Type.Union(branches), { a: 1, b: { c: 2, d: 3 }, e: 4 }), {
      a: 1,
      b: { c: 2 },
    });
  }
});

test("undefined is written as in JSON.stringify(), where the schema allows any value", () => {
  assert.deepEqual(serialize(Type.Array(Type.Unknown()), [undefined, 1]), [null, 1]);
  assert.deepEqual(serialize(Type.Object({ a: Type.Optional(Type.Unknown()) }), { a: undefined }), {});
  assert.deepEqual(serialize(Type.Unknown(), undefined), null);
});

test("the result of toJSON() is written if it matches, without fields that are not in the schema", () => {
  const withToJson = (value: unknown): object => ({ x: 1, toJSON: () => value });
  const point = Type.Object({ x: Type.Integer() });
  for (const schema of [point, Type.Union([point, Type.String()])]) {
    assert.deepEqual(serialize(schema, withToJson({ x: 2, secret: 1 })), { x: 2 });
    assert.throws(() => serialize(schema, withToJson({ secret: 1 })), OutputValidationError);
  }
  assert.deepEqual(serialize(Type.Union([point, Type.String()]), withToJson("a point")), "a point");
  assert.throws(() => serialize(point, withToJson("a point")), OutputValidationError);
});

test("the result object is not modified, frozen or not", () => {
  const schema = Type.Object({
    list: Type.Array(Type.Union([Type.Object({ a: Type.Integer({ default: 1 }) }), Type.Null()])),
  });
  const result = Object.freeze({ list: Object.freeze([Object.freeze({ b: 2 })]), c: 3 });
  assert.deepEqual(serialize(schema, result), { list: [{ a: 1 }] });
  assert.deepEqual(result, { list: [{ b: 2 }], c: 3 });
});

test("fields may have names that every object inherits", () => {
  const names = ["constructor", "toString", "__proto__"];
  const schema = Type.Object(Object.fromEntries(names.map((name) => [name, Type.Optional(Type.Integer())])));
  assert.equal(JSON.stringify(serialize(schema, {})), "{}");
  const value = Object.fromEntries(names.map((name) => [name, 1]));
  assert.deepEqual(serialize(schema, value), value);
});
