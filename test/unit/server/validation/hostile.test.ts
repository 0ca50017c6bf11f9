import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { MAX_ANSWER_BYTES } from "../../../../src/answers.ts";
import { Excerpts } from "../../../../src/server/validation/issue-list.ts";
import { Validator } from "../../../../src/server/validation/validator.ts";
import { compileInput, issuesOf } from "../../../helpers/issues.ts";
import { Tree } from "../../../helpers/schemas.ts";
import { assertRefused } from "../../../helpers/thrown.ts";

test("an invalid value of any kind is shown as JSON", () => {
  const shown: readonly (readonly [value: unknown, echo: unknown])[] = [
    [new Uint8Array(12), "<binary 12 bytes>"],
    [Buffer.from("abc"), "<binary 3 bytes>"],
    [new DataView(new ArrayBuffer(2)), "<binary 2 bytes>"],
    [NaN, "NaN"],
    [-Infinity, "-Infinity"],
    ["a\ud800b\udc00", "a?b?"],
    ["😀", "😀"],
    [{ "\ud800": 1 }, { "?": 1 }],
    [undefined, null],
    [12n, "12"],
    [new Date(0), "1970-01-01T00:00:00.000Z"],
    [new Date(NaN), "Invalid Date"],
    [Symbol("s"), "Symbol(s)"],
    [{ a: [NaN, { b: new Uint8Array(1), c: undefined }] }, { a: ["NaN", { b: "<binary 1 bytes>" }] }],
  ];
  for (const [value, echo] of shown) {
    assert.deepEqual(new Excerpts().show(value), echo);
    assert.deepEqual(JSON.parse(JSON.stringify(echo)), echo);
  }
});

test("a value that is too large is replaced by a note", () => {
  assert.equal(new Excerpts(100).show("a".repeat(200)), "<omitted: too large>");
  const echo = new Excerpts(1000);
  assert.equal(echo.show("short"), "short");
  assert.equal(echo.show(Array.from({ length: 1000 }, () => 1)), "<omitted: too large>");
});

test("the answer to a deeply nested invalid body stays small", () => {
  let value: Record<string, unknown> = { text: "x".repeat(100_000) };
  for (let depth = 0; depth < 200; depth++) value = { children: [value] };
  const text = JSON.stringify(issuesOf(Tree, value));
  assert.ok(text.length <= MAX_ANSWER_BYTES, `${text.length}`);
});

test("only as many issues are reported as the answer has room for, and a last one says that there are more", () => {
  const schema = Type.Object({
    list: Type.Array(Type.Integer()),
    map: Type.Record(Type.String(), Type.Integer()),
  });
  const list = Array.from({ length: 100_000 }, () => "no");
  const map = Object.fromEntries(list.map((item, index) => [`k${index}`, item]));
  for (const value of [
    { list, map: {} },
    { list: [], map },
  ]) {
    const issues = issuesOf(schema, value);
    assert.ok(issues.length > 400, `${issues.length}`);
    assert.ok(Buffer.byteLength(JSON.stringify({ detail: issues })) <= MAX_ANSWER_BYTES);
    assert.deepEqual(issues.at(-1), {
      type: "errors_omitted",
      loc: ["body"],
      msg: "There are more errors than this answer has room for",
    });
  }
});

test("a deeply nested value of a recursive schema is validated and filled with defaults", () => {
  let value: Record<string, unknown> = { label: "leaf" };
  for (let depth = 0; depth < 250; depth++) value = { label: "node", children: [value] };
  compileInput(Tree).accept(value);
  assert.equal(value["weight"], 1);
});

test("objects are compared correctly with any field names", () => {
  const schemas = [{ type: "array", uniqueItems: true }, { const: { a: 1 } }, { enum: [{ a: 1 }, 2] }];
  for (const f of schemas) {
    const compiled = compileInput({ type: "object", properties: { f, g: { type: "string" } } });
    for (const name of ["toString", "valueOf"]) {
      assert.equal(compiled.fits({ f: [{ [name]: 1 }, { [name]: 1 }] }), false);
      assert.notEqual(compiled.issuesOf({ f: [{ [name]: 1 }, { [name]: 1 }] }, ["body"]).length, 0);
    }
    assert.ok(compiled.fits({ g: "x" }));
  }
  const unique = Type.Object({ f: Type.Array(Type.Unknown(), { uniqueItems: true }) });
  const [issue, ...more] = issuesOf(unique, { f: [{ toString: 1 }, { toString: 1 }] });
  assert.deepEqual(more, []);
  assert.deepEqual(
    [issue?.type, issue?.loc, issue?.msg],
    ["value_error", ["body", "f"], "Input must NOT have duplicate items"],
  );
});

test("a default that does not match its schema is rejected at compile time", () => {
  const cases: readonly (readonly [schema: object, message: string])[] = [
    [Type.Object({ n: Type.Integer({ default: "5" as never }) }), 'the default "5" of n does not fit'],
    [
      Type.Object({ a: Type.Object({ n: Type.Integer({ maximum: 1, default: 2 }) }) }),
      "the default 2 of a.n does not fit",
    ],
    [
      Type.Object({ a: Type.Array(Type.Object({ n: Type.String({ default: 5 as never }) })) }),
      "the default 5 of a.n does not fit",
    ],
    [Type.Integer({ default: 0.5 }), "the default 0.5 of the schema does not fit"],
    [
      Type.Object({ a: Type.Object({ b: Type.Integer() }, { default: {} }) }),
      "the default {} of a does not fit",
    ],
  ];
  for (const [schema, message] of cases) {
    assertRefused(
      () => compileInput(schema),
      "SCHEMA_INVALID",
      `Cannot use the input of run() as a schema: ${message}`,
    );
  }
});

test("an unresolved reference is rejected at compile time", () => {
  const schema = Type.Object({ a: Type.Ref("Nowhere") });
  assertRefused(
    () => compileInput(schema),
    "SCHEMA_INVALID",
    /"\$ref": "Nowhere" leads nowhere; use Type\.Cyclic/,
  );
});

test("an invalid schema is rejected at compile time", () => {
  assertRefused(
    () => compileInput({ type: "nonsense" }),
    "SCHEMA_INVALID",
    /^Cannot use the input of run\(\)/,
  );
  assertRefused(
    () => compileInput(Type.Object({ a: Type.String({ pattern: "(" }) })),
    "SCHEMA_INVALID",
    /^Cannot use the input of run\(\)/,
  );
});

test("one schema object is compiled once; the schema is not modified", () => {
  const validator = new Validator();
  const schema = Type.Object({ n: Type.Integer({ default: 1 }) }, { $id: "Once" });
  const before = structuredClone(schema);
  assert.equal(validator.compile(schema, "a"), validator.compile(schema, "b"));
  validator.compile(Type.Object({ m: Type.Integer() }, { $id: "Once" }), "another of the same $id");
  assert.deepEqual(structuredClone(schema), before);
});

test("references are resolved by definition, by $id, and at the root", () => {
  const list = { type: "object", properties: { next: { $ref: "#" }, n: { type: "integer", default: 1 } } };
  assert.deepEqual(compileInput(list).accept({ next: { next: {}, x: 1 } }), {
    next: { next: { n: 1 }, n: 1 },
    n: 1,
  });
  const byPointer = {
    $defs: { "A/B": { type: "integer" } },
    type: "object",
    properties: { a: { $ref: "#/$defs/A~1B" } },
  };
  assert.equal(compileInput(byPointer).fits({ a: "no" }), false);
  const byId = {
    $defs: { x: { $id: "Named", type: "integer" } },
    type: "object",
    properties: { a: { $ref: "Named" } },
  };
  assert.equal(compileInput(byId).fits({ a: "no" }), false);
});
