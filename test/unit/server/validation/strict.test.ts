import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { accepted, issuesOf, issueLocations } from "../../../helpers/issues.ts";

test("JSON types are strict: no value is converted to another type", () => {
  const wrong: readonly (readonly [schema: object, values: readonly unknown[]])[] = [
    [Type.Integer(), ["12", "", true, null, [1], {}]],
    [Type.Number(), ["1.5", false, null, [], {}]],
    [Type.String(), [5, true, null, ["a"], {}]],
    [Type.Boolean(), ["true", 0, 1, "", null]],
    [Type.Array(Type.Integer()), [5, "1,2", null, { 0: 1 }]],
    [Type.Object({}), [[], "{}", 5]],
    [Type.Null(), [0, "", false]],
  ];
  for (const [schema, values] of wrong) {
    for (const value of values) {
      assert.equal(
        issueLocations(Type.Object({ f: schema }), { f: value }).length,
        1,
        JSON.stringify([schema, value]),
      );
    }
  }
});

test("3.0 and 1e2 are integers", () => {
  assert.deepEqual(accepted(Type.Array(Type.Integer()), JSON.parse("[3.0, 1e2, -0.0]")), [3, 100, -0]);
});

test("an infinite number is rejected, and shown as text", () => {
  for (const schema of [Type.Integer(), Type.Number()]) {
    assert.deepEqual(issuesOf(Type.Object({ f: schema }), JSON.parse('{"f": -1e999}')), [
      {
        type: "finite_number",
        loc: ["body", "f"],
        msg: "Input should be a finite number",
        input: "-Infinity",
      },
    ]);
  }
});

test("decimal steps are computed in decimal, without rounding errors", () => {
  const schema = Type.Object({ f: Type.Number({ multipleOf: 0.1 }) });
  for (const f of [0.1, 0.3, 0.7, 1.1, 19.9, 0, -0.3]) assert.deepEqual(accepted(schema, { f }), { f });
  for (const f of [0.15, 0.01, 1.05]) assert.deepEqual(issueLocations(schema, { f }), ["multiple_of body.f"]);
});

test("issues are sorted by the schema, whatever the order of the body", () => {
  const schema = Type.Object({
    z: Type.Integer(),
    a: Type.Object({ y: Type.String(), x: Type.String() }),
    list: Type.Array(Type.Integer()),
    m: Type.Boolean(),
  });
  const value = { m: 1, list: [1, "2", 3, null], a: { x: 1 }, z: "no" };
  assert.deepEqual(issueLocations(schema, value), [
    "int_type body.z",
    "missing body.a.y",
    "string_type body.a.x",
    "int_type body.list.1",
    "int_type body.list.3",
    "bool_type body.m",
  ]);
});

test("formats are checked by name", () => {
  assert.deepEqual(issuesOf(Type.Object({ f: Type.String({ format: "email" }) }), { f: "nobody" }), [
    {
      type: "string_format_mismatch",
      loc: ["body", "f"],
      msg: "String should be a valid email",
      input: "nobody",
      ctx: { format: "email" },
    },
  ]);
});

test("a rule without a message of its own is still reported", () => {
  const schema = Type.Object({ f: Type.Array(Type.Integer(), { uniqueItems: true }) });
  const [issue] = issuesOf(schema, { f: [1, 1] });
  assert.equal(issue?.type, "value_error");
  assert.match(issue?.msg ?? "", /^Input must NOT have duplicate items/);
});

test("intersections report each path once", () => {
  const schema = Type.Intersect([
    Type.Object({ a: Type.String(), shared: Type.Integer() }),
    Type.Object({ b: Type.String(), shared: Type.Integer() }),
  ]);
  assert.deepEqual(issueLocations(schema, { shared: "no" }), [
    "missing body.a",
    "int_type body.shared",
    "missing body.b",
  ]);
  assert.deepEqual(issueLocations(schema, []), ["model_attributes_type body"]);
});

test("tuples are checked item by item", () => {
  const schema = Type.Object({ t: Type.Tuple([Type.String(), Type.Integer()]) });
  assert.deepEqual(accepted(schema, { t: ["a", 1] }), { t: ["a", 1] });
  assert.deepEqual(issueLocations(schema, { t: [1, "a"] }), ["string_type body.t.0", "int_type body.t.1"]);
  assert.deepEqual(issueLocations(schema, { t: ["a"] }), ["too_short body.t"]);
  assert.deepEqual(issueLocations(schema, { t: ["a", 1, true] }), ["extra_forbidden body.t.2"]);
});

test("maps are checked value by value", () => {
  const schema = Type.Record(Type.String(), Type.Integer());
  assert.deepEqual(issueLocations(schema, { a: 1, b: "2", c: null }), ["int_type body.b", "int_type body.c"]);
});

test('format "byte" accepts base64 of any length, and nothing else', () => {
  const schema = Type.Object({ data: Type.String({ format: "byte" }) });
  for (const data of ["", "QQ==", "QUI=", "QUJD", "A".repeat(16 * 1024 * 1024)]) {
    assert.deepEqual(accepted(schema, { data }), { data });
  }
  for (const data of ["A", "AAAA\nnot base64!", "AAAA\n", "=AAA", "A===", "A".repeat(5_000_001)]) {
    assert.equal(issueLocations(schema, { data }).length, 1, data.slice(0, 20));
  }
});
