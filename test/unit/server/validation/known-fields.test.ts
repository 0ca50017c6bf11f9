/* oxlint-disable unicorn/no-thenable -- "then" is a keyword of JSON Schema */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Type } from "typebox";
import { createSerializer } from "../../../../src/server/http/serializer.ts";
import { accepted, compileInput } from "../../../helpers/issues.ts";

const SECRET = { passwordHash: "$2b$", deep: { token: 1 } };
const Common = Type.Object({ id: Type.Integer() });
const A = Type.Object({ kind: Type.Literal("a"), a: Type.Integer() });
const B = Type.Object({ kind: Type.Literal("b"), b: Type.Integer({ default: 7 }) });
const kindIs = (kind: string): object => ({ properties: { kind: { const: kind } }, required: ["kind"] });
const PLAIN = { type: "object", properties: { id: {}, kind: {} } };

/**
 * Schemas that describe one object in several parts, with a value without secrets and the expected result.
 */
const CASES: Readonly<Record<string, readonly [schema: object, sent: object, left?: object]>> = {
  "a union in an intersection": [Type.Intersect([Common, Type.Union([A, B])]), { id: 1, kind: "a", a: 2 }],
  "its other branch": [
    Type.Intersect([Common, Type.Union([A, B])]),
    { id: 1, kind: "b" },
    { id: 1, kind: "b", b: 7 },
  ],
  "a union beside properties": [
    { ...PLAIN, anyOf: [A, B] },
    { id: 1, kind: "a", a: 2 },
  ],
  "one of several": [
    { ...PLAIN, oneOf: [A, B] },
    { kind: "b", b: 1 },
  ],
  then: [
    { ...PLAIN, if: kindIs("a"), then: { properties: { a: { default: 5 } } } },
    { kind: "a" },
    { kind: "a", a: 5 },
  ],
  else: [
    {
      ...PLAIN,
      if: kindIs("a"),
      then: { properties: { a: {} } },
      else: { properties: { b: { default: { c: 1 } } } },
    },
    { kind: "x" },
    { kind: "x", b: { c: 1 } },
  ],
  "a condition that names a field itself": [{ ...PLAIN, if: { properties: { x: { const: 1 } } } }, { x: 1 }],
  dependentSchemas: [
    { ...PLAIN, dependentSchemas: { id: { properties: { of: { default: "x" } } } } },
    { id: 1 },
    { id: 1, of: "x" },
  ],
  "$ref with siblings": [
    { $defs: { Base: PLAIN }, $ref: "#/$defs/Base", properties: { more: { default: 1 } } },
    { id: 1 },
    { id: 1, more: 1 },
  ],
  "$ref by way of another": [
    {
      $defs: { Base: { ...PLAIN }, Middle: { $ref: "#/$defs/Base", properties: { middle: {} } } },
      $ref: "#/$defs/Middle",
    },
    { id: 1, middle: 2 },
  ],
  "a union in a union": [
    Type.Union([Type.Intersect([Common, Type.Union([A, B])]), Type.Null()]),
    { id: 1, kind: "a", a: 1 },
  ],
  "patterns beside properties": [
    { ...PLAIN, patternProperties: { "^x_": { type: "integer" } } },
    { id: 1, x_1: 2 },
  ],
  "additionalProperties: false elsewhere": [
    { allOf: [{ properties: { id: {} } }, { properties: { kind: {} } }] },
    { id: 1, kind: "a" },
  ],
  "required names alone": [
    { properties: { id: {} }, required: ["id", "key"] },
    { id: 1, key: 2 },
  ],
  not: [
    { ...PLAIN, not: { properties: { passwordHash: { const: 1 } }, required: ["passwordHash"] } },
    { id: 1 },
  ],
  "all branches that fit": [
    { anyOf: [{ properties: { a: {} } }, { properties: { b: {} } }, { properties: { c: { const: 1 } } }] },
    { a: 1, b: 2, c: 1 },
  ],
};

describe("fields that no matching schema declares are removed, the others are kept", () => {
  for (const [name, [schema, sent, left = sent]] of Object.entries(CASES)) {
    test(name, () => {
      const positions: readonly (readonly [schema: object, wrap: (value: unknown) => unknown])[] = [
        [schema, (value) => value],
        [{ type: "array", items: schema }, (value) => [value, value]],
        [{ type: "object", properties: { in: schema } }, (value) => ({ in: value })],
        [{ type: "object", additionalProperties: schema }, (value) => ({ x: value })],
      ];
      for (const [root, wrap] of positions) {
        const value = wrap({ ...sent, ...SECRET });
        const result = structuredClone(value);
        const written = createSerializer(compileInput(root), "run")(result);
        assert.deepEqual(JSON.parse(written), wrap(left), "what goes out");
        assert.deepEqual(result, value, "the result stays as it is");
        assert.deepEqual(accepted(root, value), wrap(left), "what comes in");
      }
    });
  }
});

test("a free-form map keeps all fields, also beside a condition", () => {
  const value = { kind: "a", any: { thing: 1 } };
  for (const schema of [
    { type: "object" },
    { type: "object", if: kindIs("a"), then: { required: ["any"] } },
    { allOf: [{ type: "object" }, { minProperties: 1 }] },
    { anyOf: [{ type: "object" }, { type: "null" }] },
    { properties: { kind: {} }, additionalProperties: true },
    { allOf: [{ properties: { kind: {} } }, { additionalProperties: {} }] },
    { properties: { kind: {} }, unevaluatedProperties: true },
    { type: "object", dependentSchemas: { nothing: { properties: {} } } },
  ]) {
    assert.deepEqual(accepted(schema, structuredClone(value)), value, JSON.stringify(schema));
  }
});

test("a field described by two schemas keeps the fields of both", () => {
  const schema = {
    allOf: [
      { properties: { size: { properties: { width: { default: 1 } } } } },
      { properties: { size: { properties: { height: { default: 2 } } } } },
    ],
  };
  assert.deepEqual(accepted(schema, { size: { x: 1 } }), { size: { width: 1, height: 2 } });
  const items = { allOf: [{ items: { properties: { a: {} } } }, { items: { properties: { b: {} } } }] };
  assert.deepEqual(accepted(items, [{ a: 1, b: 2, c: 3 }]), [{ a: 1, b: 2 }]);
});

test("a condition sees the default of a missing field", () => {
  const schema = {
    properties: { mode: { default: "slow" } },
    if: { properties: { mode: { const: "slow" } }, required: ["mode"] },
    then: { properties: { steps: { default: 50 } } },
    else: { properties: { steps: { default: 10 } } },
  };
  assert.deepEqual(accepted(schema, {}), { mode: "slow", steps: 50 });
  assert.deepEqual(accepted(schema, { mode: "fast" }), { mode: "fast", steps: 10 });
  assert.deepEqual(JSON.parse(createSerializer(compileInput(schema), "run")({})), {
    mode: "slow",
    steps: 50,
  });
});

test("a default in one branch does not affect another branch", () => {
  const schema = {
    allOf: [
      { if: { required: ["go"] }, then: { properties: { go: {}, a: { default: 1 } } } },
      {
        if: { required: ["a"] },
        then: { properties: { b: { default: 2 } } },
        else: { properties: { c: { default: 3 } } },
      },
    ],
  };
  assert.deepEqual(accepted(schema, { go: 1 }), { go: 1, a: 1, c: 3 });
});

test("a value that matches only before its defaults are filled in is rejected", () => {
  const schema = {
    properties: { mode: { default: "slow" } },
    if: { properties: { mode: { const: "slow" } }, required: ["mode"] },
    then: { required: ["steps"] },
  };
  assert.throws(() => accepted(schema, {}), /steps/);
  assert.throws(() => createSerializer(compileInput(schema), "run")({}), /does not fit its output schema/);
});
