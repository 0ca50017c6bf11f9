import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { accepted, issuesOf, issueLocations } from "../../../helpers/issues.ts";

const field = (...branches: object[]): object => Type.Object({ f: Type.Union(branches) });

test("each branch reports its errors under its name, here the name of its type", () => {
  assert.deepEqual(issuesOf(field(Type.Integer(), Type.String({ maxLength: 2 })), { f: "abc" }), [
    { type: "int_type", loc: ["body", "f", "int"], msg: "Input should be a valid integer", input: "abc" },
    {
      type: "string_too_long",
      loc: ["body", "f", "str"],
      msg: "String should have at most 2 characters",
      input: "abc",
      ctx: { max_length: 2 },
    },
  ]);
});

test("a branch is named by its title, its $id, its literals or its type, in that order", () => {
  const named: readonly (readonly [branch: object, name: string])[] = [
    [Type.Integer({ title: "Count", $id: "Other" }), "Count"],
    [Type.Object({ a: Type.Integer() }, { $id: "Size" }), "Size"],
    [Type.Object({ a: Type.Integer() }, { title: "Box" }), "Box"],
    [Type.Union([Type.Literal("square"), Type.Literal("portrait")]), "literal['square','portrait']"],
    [Type.Literal(5), "literal[5]"],
    [Type.Integer(), "int"],
    [Type.Number(), "float"],
    [Type.String(), "str"],
    [Type.Record(Type.String(), Type.Integer()), "dict"],
    [Type.Array(Type.Integer()), "list[int]"],
    [Type.Array(Type.Object({}, { $id: "Item" })), "list[Item]"],
    [Type.Tuple([Type.Integer()]), "list"],
  ];
  for (const [branch, name] of named) {
    const other = Type.Boolean({ title: "other" });
    const [issue] = issuesOf(field(branch, other), { f: null });
    assert.equal(issue?.loc[2], name);
  }
});

test("a literal branch reports the expected value", () => {
  const literals = Type.Union([Type.Literal("square"), Type.Literal("portrait")]);
  const size = Type.Object({ width: Type.Integer() }, { $id: "Size" });
  assert.deepEqual(issuesOf(field(size, literals), { f: "round" }), [
    {
      type: "model_attributes_type",
      loc: ["body", "f", "Size"],
      msg: "Input should be a valid dictionary or object to extract fields from",
      input: "round",
    },
    {
      type: "literal_error",
      loc: ["body", "f", "literal['square','portrait']"],
      msg: "Input should be 'square' or 'portrait'",
      input: "round",
      ctx: { expected: "'square' or 'portrait'" },
    },
  ]);
});

test("a nullable value reports only the other branch, without a name", () => {
  assert.deepEqual(issueLocations(field(Type.Integer(), Type.Null()), { f: "a" }), ["int_type body.f"]);
  assert.deepEqual(accepted(field(Type.Integer(), Type.Null()), { f: null }), { f: null });
  const three = field(Type.Integer(), Type.String(), Type.Null());
  assert.deepEqual(issueLocations(three, { f: true }), ["int_type body.f.int", "string_type body.f.str"]);
});

test("a missing field of one branch is reported inside that branch", () => {
  const circle = Type.Object({ radius: Type.Number() }, { title: "Circle" });
  const square = Type.Object({ side: Type.Number() }, { title: "Square" });
  assert.deepEqual(issueLocations(field(circle, square), { f: { radius: "1" } }), [
    "float_type body.f.Circle.radius",
    "missing body.f.Square.side",
  ]);
});

test("unions within unions and lists name every level", () => {
  const inner = Type.Array(Type.Union([Type.Integer(), Type.Boolean()]));
  assert.deepEqual(issueLocations(field(Type.String(), inner), { f: [1, "x"] }), [
    "string_type body.f.str",
    "int_type body.f.list[any].1.int",
    "bool_type body.f.list[any].1.bool",
  ]);
});

test("oneOf rejects a value that matches more than one alternative", () => {
  const schema = { type: "object", properties: { f: { oneOf: [{ type: "integer" }, { type: "number" }] } } };
  assert.deepEqual(issuesOf(schema, { f: 5 }), [
    { type: "value_error", loc: ["body", "f"], msg: "Input should fit exactly one alternative", input: 5 },
  ]);
  assert.deepEqual(accepted(schema, { f: 5.5 }), { f: 5.5 });
});

test("a recursive branch is reported at its depth", () => {
  const schema = Type.Cyclic(
    { Node: Type.Object({ value: Type.Integer(), next: Type.Union([Type.Ref("Node"), Type.Null()]) }) },
    "Node",
  );
  const value = { value: 1, next: { value: 2, next: { value: "3", next: null } } };
  assert.deepEqual(issueLocations(schema, value), ["int_type body.next.next.value"]);
});

test("a union that contains only null is reported as null", () => {
  assert.deepEqual(issueLocations(field(Type.Null(), Type.Null()), { f: 5 }), ["none_required body.f"]);
});
