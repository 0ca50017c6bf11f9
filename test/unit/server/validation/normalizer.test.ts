import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { accepted, compileInput, issueLocations } from "../../../helpers/issues.ts";
import { Tree } from "../../../helpers/schemas.ts";

const Size = Type.Object({ width: Type.Integer({ default: 512 }), height: Type.Integer({ default: 512 }) });

test("a missing field with a default is filled in, a given one is kept", () => {
  assert.deepEqual(accepted(Size, {}), { width: 512, height: 512 });
  assert.deepEqual(accepted(Size, { height: 64 }), { width: 512, height: 64 });
});

test("falsy defaults are used, and falsy values are kept", () => {
  const schema = Type.Object({
    text: Type.String({ default: "" }),
    zero: Type.Integer({ default: 0 }),
    off: Type.Boolean({ default: false }),
    none: Type.Union([Type.Integer(), Type.Null()], { default: null }),
    list: Type.Array(Type.Integer(), { default: [] }),
    steps: Type.Integer({ default: 5 }),
  });
  const filled = { text: "", zero: 0, off: false, none: null, list: [], steps: 0 };
  assert.deepEqual(accepted(schema, { steps: 0 }), filled);
});

test("an optional field with a default is filled in as well; one without stays missing", () => {
  const schema = Type.Object({
    a: Type.Optional(Type.Integer({ default: 1 })),
    b: Type.Optional(Type.Integer()),
  });
  assert.deepEqual(accepted(schema, {}), { a: 1 });
});

test("defaults are filled in at every depth: objects, lists, tuples, maps", () => {
  const schema = Type.Object({
    inner: Type.Object({ size: Size }),
    list: Type.Array(Type.Array(Size)),
    tuple: Type.Tuple([Size, Type.String()]),
    map: Type.Record(Type.String(), Size),
    open: Type.Object({ a: Type.Integer() }, { additionalProperties: Size }),
  });
  const full = { width: 512, height: 512 };
  assert.deepEqual(
    accepted(schema, {
      inner: { size: { width: 1 } },
      list: [[{}, { height: 2 }], []],
      tuple: [{}, "a"],
      map: { x: {}, y: { width: 3 } },
      open: { a: 1, more: {} },
    }),
    {
      inner: { size: { width: 1, height: 512 } },
      list: [[full, { width: 512, height: 2 }], []],
      tuple: [full, "a"],
      map: { x: full, y: { width: 3, height: 512 } },
      open: { a: 1, more: full },
    },
  );
});

test("a default is itself filled in, and copied for each request", () => {
  const schema = Type.Object({
    size: Type.Object(Size.properties, { default: {} }),
    list: Type.Array(Type.Integer(), { default: [1] }),
  });
  const compiled = compileInput(schema);
  const first = compiled.accept({}) as { size: { width: number }; list: number[] };
  assert.deepEqual(first, { size: { width: 512, height: 512 }, list: [1] });
  first.size.width = 0;
  first.list.push(2);
  assert.deepEqual(compiled.accept({}), { size: { width: 512, height: 512 }, list: [1] });
  assert.deepEqual(
    schema.properties.size,
    { ...schema.properties.size, default: {} },
    "the schema is untouched",
  );
});

test("defaults are filled in for recursive schemas", () => {
  assert.deepEqual(accepted(Tree, { label: "a", children: [{ label: "b", children: [{ label: "c" }] }] }), {
    label: "a",
    weight: 1,
    children: [{ label: "b", weight: 1, children: [{ label: "c", weight: 1 }] }],
  });
});

test("in a union, defaults come from the matching branch with most of the value's fields", () => {
  const circle = Type.Object({
    kind: Type.Literal("circle"),
    radius: Type.Number(),
    fill: Type.String({ default: "red" }),
  });
  const square = Type.Object({
    kind: Type.Literal("square"),
    side: Type.Number(),
    fill: Type.String({ default: "blue" }),
  });
  const any = Type.Object({ note: Type.Optional(Type.String()) });
  for (const branches of [
    [any, circle, square],
    [square, circle, any],
  ]) {
    const schema = Type.Object({ shape: Type.Union(branches) });
    const shape = (value: object): unknown =>
      (accepted(schema, { shape: value }) as { shape: unknown }).shape;
    assert.deepEqual(shape({ kind: "square", side: 1 }), { kind: "square", side: 1, fill: "blue" });
    assert.deepEqual(shape({ kind: "circle", radius: 1, side: 2 }), {
      kind: "circle",
      radius: 1,
      fill: "red",
    });
    assert.deepEqual(shape({ note: "n", other: 1 }), { note: "n" });
  }
});

test("an intersection is filled in from all of its members, and keeps the fields of each", () => {
  const schema = Type.Intersect([Size, Type.Object({ name: Type.String({ default: "x" }) })]);
  assert.deepEqual(accepted(schema, { width: 1, other: 2 }), { width: 1, height: 512, name: "x" });
});

test("unknown fields are removed at every depth", () => {
  const schema = Type.Object({
    a: Type.Integer(),
    inner: Type.Object({ b: Type.Integer() }),
    list: Type.Array(Type.Object({ c: Type.Integer() })),
  });
  assert.deepEqual(
    accepted(schema, { a: 1, x: 1, inner: { b: 2, x: 1 }, list: [{ c: 3, x: { y: 1 } }], y: [] }),
    { a: 1, inner: { b: 2 }, list: [{ c: 3 }] },
  );
  assert.deepEqual(accepted(Tree, { label: "a", x: 1, children: [{ label: "b", x: 1 }] }), {
    label: "a",
    weight: 1,
    children: [{ label: "b", weight: 1 }],
  });
});

test("free-form maps keep all their fields", () => {
  const value = { a: 1, b: { c: [1, { d: 2 }] }, "odd\nkey": null };
  assert.deepEqual(accepted(Type.Record(Type.String(), Type.Unknown()), structuredClone(value)), value);
  assert.deepEqual(accepted(Type.Object({}, { additionalProperties: true }), structuredClone(value)), value);
  assert.deepEqual(accepted(Type.Unknown(), structuredClone(value)), value);
  assert.deepEqual(accepted({ type: "object" }, structuredClone(value)), value);
});

test("a rejected value is not modified", () => {
  const schema = Type.Object({ a: Type.Integer(), b: Type.Integer({ default: 1 }) });
  const value = { a: "no", extra: 1 };
  assert.equal(compileInput(schema).fits(value), false);
  assert.deepEqual(issueLocations(schema, value), ["int_type body.a"]);
  assert.deepEqual(value, { a: "no", extra: 1 });
});
