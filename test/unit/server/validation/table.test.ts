import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { issuesOf } from "../../../helpers/issues.ts";

interface Row {
  readonly schema: object;
  readonly value: unknown;
  readonly issue: { type: string; msg: string; ctx?: Record<string, unknown> };
}

const number = (rule: Readonly<Record<string, number>>): object => Type.Number(rule);
const LITERALS = Type.Union([Type.Literal("png"), Type.Literal("jpeg")]);

/** Each rule of the contract's table, applied to the field `f`. */
const ROWS: Readonly<Record<string, Row>> = {
  integer: {
    schema: Type.Integer(),
    value: "12",
    issue: { type: "int_type", msg: "Input should be a valid integer" },
  },
  "integer got a fraction": {
    schema: Type.Integer(),
    value: 3.5,
    issue: {
      type: "int_from_float",
      msg: "Input should be a valid integer, got a number with a fractional part",
    },
  },
  number: {
    schema: Type.Number(),
    value: "1.5",
    issue: { type: "float_type", msg: "Input should be a valid number" },
  },
  string: {
    schema: Type.String(),
    value: 5,
    issue: { type: "string_type", msg: "Input should be a valid string" },
  },
  boolean: {
    schema: Type.Boolean(),
    value: "true",
    issue: { type: "bool_type", msg: "Input should be a valid boolean" },
  },
  array: {
    schema: Type.Array(Type.String()),
    value: "a",
    issue: { type: "list_type", msg: "Input should be a valid list" },
  },
  "free-form map": {
    schema: Type.Record(Type.String(), Type.String()),
    value: ["a"],
    issue: { type: "dict_type", msg: "Input should be a valid dictionary" },
  },
  "object with fields": {
    schema: Type.Object({ a: Type.String() }),
    value: "a",
    issue: {
      type: "model_attributes_type",
      msg: "Input should be a valid dictionary or object to extract fields from",
    },
  },
  "minLength 1": {
    schema: Type.String({ minLength: 1 }),
    value: "",
    issue: {
      type: "string_too_short",
      msg: "String should have at least 1 character",
      ctx: { min_length: 1 },
    },
  },
  "minLength 3": {
    schema: Type.String({ minLength: 3 }),
    value: "😀😀",
    issue: {
      type: "string_too_short",
      msg: "String should have at least 3 characters",
      ctx: { min_length: 3 },
    },
  },
  maxLength: {
    schema: Type.String({ maxLength: 2 }),
    value: "abc",
    issue: {
      type: "string_too_long",
      msg: "String should have at most 2 characters",
      ctx: { max_length: 2 },
    },
  },
  minItems: {
    schema: Type.Array(Type.Integer(), { minItems: 2 }),
    value: [1],
    issue: {
      type: "too_short",
      msg: "List should have at least 2 items after validation, not 1",
      ctx: { field_type: "List", min_length: 2, actual_length: 1 },
    },
  },
  maxItems: {
    schema: Type.Array(Type.Integer(), { maxItems: 1 }),
    value: [1, 2, 3],
    issue: {
      type: "too_long",
      msg: "List should have at most 1 item after validation, not 3",
      ctx: { field_type: "List", max_length: 1, actual_length: 3 },
    },
  },
  minimum: {
    schema: number({ minimum: 1 }),
    value: 0,
    issue: {
      type: "greater_than_equal",
      msg: "Input should be greater than or equal to 1",
      ctx: { ge: 1 },
    },
  },
  maximum: {
    schema: number({ maximum: 1.5 }),
    value: 2,
    issue: { type: "less_than_equal", msg: "Input should be less than or equal to 1.5", ctx: { le: 1.5 } },
  },
  exclusiveMinimum: {
    schema: number({ exclusiveMinimum: 0 }),
    value: 0,
    issue: { type: "greater_than", msg: "Input should be greater than 0", ctx: { gt: 0 } },
  },
  exclusiveMaximum: {
    schema: number({ exclusiveMaximum: 20 }),
    value: 20,
    issue: { type: "less_than", msg: "Input should be less than 20", ctx: { lt: 20 } },
  },
  multipleOf: {
    schema: Type.Integer({ multipleOf: 8 }),
    value: 12,
    issue: { type: "multiple_of", msg: "Input should be a multiple of 8", ctx: { multiple_of: 8 } },
  },
  pattern: {
    schema: Type.String({ pattern: "^[a-z]+$" }),
    value: "A",
    issue: {
      type: "string_pattern_mismatch",
      msg: "String should match pattern '^[a-z]+$'",
      ctx: { pattern: "^[a-z]+$" },
    },
  },
  "one literal": {
    schema: Type.Literal("png"),
    value: "gif",
    issue: { type: "literal_error", msg: "Input should be 'png'", ctx: { expected: "'png'" } },
  },
  "two literals": {
    schema: LITERALS,
    value: "gif",
    issue: {
      type: "literal_error",
      msg: "Input should be 'png' or 'jpeg'",
      ctx: { expected: "'png' or 'jpeg'" },
    },
  },
  "three literals, one of the wrong type given": {
    schema: Type.Enum(["a", "b", "c"]),
    value: 5,
    issue: {
      type: "literal_error",
      msg: "Input should be 'a', 'b' or 'c'",
      ctx: { expected: "'a', 'b' or 'c'" },
    },
  },
  "literals of several types": {
    schema: Type.Union([Type.Literal(1), Type.Literal(true), Type.Literal("x")]),
    value: null,
    issue: {
      type: "literal_error",
      msg: "Input should be 1, true or 'x'",
      ctx: { expected: "1, true or 'x'" },
    },
  },
};

for (const [rule, { schema, value, issue }] of Object.entries(ROWS)) {
  test(`${rule}: ${issue.type}`, () => {
    const fields = Type.Object({ f: schema });
    const expected = { type: issue.type, loc: ["body", "f"], msg: issue.msg, input: value };
    assert.deepEqual(issuesOf(fields, { f: value }), [
      issue.ctx === undefined ? expected : { ...expected, ctx: issue.ctx },
    ]);
  });
}

test("required: missing, with the object that lacks the field", () => {
  const schema = Type.Object({ a: Type.String(), inner: Type.Object({ b: Type.Integer() }) });
  assert.deepEqual(issuesOf(schema, { inner: { c: 1 } }), [
    { type: "missing", loc: ["body", "a"], msg: "Field required", input: { inner: { c: 1 } } },
    { type: "missing", loc: ["body", "inner", "b"], msg: "Field required", input: { c: 1 } },
  ]);
});

test("additionalProperties: false: extra_forbidden, at the field", () => {
  const schema = Type.Object({ a: Type.Optional(Type.String()) }, { additionalProperties: false });
  assert.deepEqual(issuesOf(schema, { b: [1] }), [
    { type: "extra_forbidden", loc: ["body", "b"], msg: "Extra inputs are not permitted", input: [1] },
  ]);
});

test("a missing body: missing at the body", () => {
  const missing = [{ type: "missing", loc: ["body"], msg: "Field required", input: null }];
  assert.deepEqual(issuesOf(Type.Object({}), undefined), missing);
  assert.deepEqual(issuesOf(Type.Object({}), null), missing);
});

test("a body that is not an object: model_attributes_type at the body", () => {
  for (const value of [[], "text", 5, true]) {
    assert.deepEqual(issuesOf(Type.Object({ a: Type.String() }), value), [
      {
        type: "model_attributes_type",
        loc: ["body"],
        msg: "Input should be a valid dictionary or object to extract fields from",
        input: value,
      },
    ]);
  }
});

test("a body of bytes: model_attributes_type, with the number of bytes", () => {
  const schemas = [
    Type.Object({ a: Type.String() }),
    Type.Object({}),
    Type.Cyclic({ Node: Type.Object({ next: Type.Optional(Type.Ref("Node")) }) }, "Node"),
    Type.Intersect([Type.Object({ a: Type.String() }), Type.Object({ b: Type.String() })]),
  ];
  for (const schema of schemas) {
    assert.deepEqual(issuesOf(schema, Buffer.from("hello world!")), [
      {
        type: "model_attributes_type",
        loc: ["body"],
        msg: "Input should be a valid dictionary or object to extract fields from",
        input: "<binary 12 bytes>",
      },
    ]);
  }
});

test("every rule that a value violates is reported once", () => {
  const schema = Type.Object({ f: Type.String({ minLength: 3, pattern: "^a", maxLength: 9 }) });
  assert.deepEqual(
    issuesOf(schema, { f: "b" }).map(({ type }) => type),
    ["string_too_short", "string_pattern_mismatch"],
  );
});
