import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import addFormats, { type FormatName } from "ajv-formats";
import { Type } from "typebox";
import { FORMAT_NAMES, formatCheck } from "../../../../src/server/validation/formats.ts";
import { patternComplexity, type Complexity } from "../../../../src/server/validation/patterns/ambiguity.ts";
import { linearTest } from "../../../../src/server/validation/patterns/linear.ts";
import { accepted, compileInput, issueLocations } from "../../../helpers/issues.ts";
import { assertRefused } from "../../../helpers/thrown.ts";

/** Patterns in which one loop can match a text in two ways. */
const EXPONENTIAL = [
  "(a+)+$",
  "^(a|a)*$",
  "^(a*)*$",
  "^(a?b?)*$",
  "(x+x+)+y",
  "(.*)*x",
  "^(a|b|ab)*c$",
  "^(\\w+\\s?)*$",
  "^(?:(?:x*|y*)b)*$",
  "^(a{1,50}){1,50}$",
  "^((a|a){8}){8}$",
  "^(?:a|a){1,30}$",
  "^(a?){30}a{30}$", // required iterations that may be empty
  "^(a{0,3}){20}$",
  "^(?:a|b?){20}c$",
  "^(?:a*){12}$",
  "^(?:a?b?){9,}c$",
  "^(?:a{0,2}b?){15}c$",
  "^(?:[a-z]{2,4}){9,}$",
  "^(?=(a+)+$)b",
  "^(\\d{1,64}){8}x$",
  "^(.+)\\1+$",
  "^(([a-z])+.)+[A-Z]([a-z])+$",
  "^([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$",
] as const;

/** Patterns in which two loops can share a text; the search for a start position counts as a loop. */
const POLYNOMIAL = [
  "\\d+\\d+$",
  "^\\d+\\d+$",
  "\\s+$",
  ".*foo",
  "^\\S+@\\S+\\.\\S+$",
  "^.*,.*,.*$",
  "^[\\s\\S]*a[\\s\\S]*b$",
  "(a|ab)*c",
  "^(?:(?=.*x)a)*$",
] as const;

const LINEAR = [
  "^[a-z]+$",
  "^.*$",
  "^(a|ab)*c$", // each text in one way
  "^[a-z0-9]+(?:-[a-z0-9]+)*$",
  "^(?:[a-z][a-z0-9_]*\\/)*[a-z]+$",
  "^\\d{4}-\\d{2}-\\d{2}$",
  "^#[0-9a-fA-F]{6}$",
  "\\.(png|jpg)$",
  "^[^@]+@[^@]+$",
  "^(?=.*[a-z])(?=.*\\d).+$",
  "^(?!-)[a-z-]+$",
  "^https?://",
  "^-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?$",
  "^[A-Za-z0-9+/]*={0,2}$",
  "^\\p{L}+$",
  "^(?:[0-9]{1,3}\\.){3}[0-9]{1,3}$",
  "^[\\w.+-]+@[\\w-]+\\.[a-z]{2,}$",
  "^\\+?[0-9]{1,3}[-. ]?[0-9]{3,14}$",
  "^[a-z]{1,20}[a-z0-9]{1,20}$",
  "^(?:a{3})*$",
  "^(?:a{3}){20}$",
  "^(?:ab?){20}$",
  "^(?:a?){0,30}$", // an optional iteration is never empty
  "^.{1,200}$",
  "^([01]?\\d|2[0-3]):[0-5]\\d$",
  "a+",
  "",
] as const;

const VERDICTS: readonly (readonly [Complexity, readonly string[]])[] = [
  ["exponential", EXPONENTIAL],
  ["polynomial", POLYNOMIAL],
  ["linear", LINEAR],
];

for (const [complexity, patterns] of VERDICTS) {
  for (const pattern of patterns) {
    test(`/${pattern}/ takes ${complexity} time`, () => assert.equal(patternComplexity(pattern), complexity));
  }
}

const refusal = /can go back over one text in too many ways, .* add maxLength|add propertyNames/;

test("a pattern that can backtrack too often is rejected anywhere in a schema", () => {
  for (const pattern of [...EXPONENTIAL, ...POLYNOMIAL]) {
    const places = [
      { type: "string", pattern },
      Type.Object({ deep: Type.Array(Type.String({ pattern })) }),
      Type.Record(Type.String({ pattern }), Type.Integer()),
      { type: "object", propertyNames: { pattern } },
      { anyOf: [{ type: "null" }, { not: { pattern } }] },
      { $defs: { Slow: { type: "string", pattern } }, properties: { a: { $ref: "#/$defs/Slow" } } },
      { if: { pattern }, then: { maxLength: 5 } },
      { contains: { pattern } },
    ];
    for (const schema of places) {
      assert.throws(() => compileInput(schema), refusal, JSON.stringify(schema));
    }
  }
});

test("a maxLength on the text allows such a pattern, which then takes no more time than others", () => {
  const schema = Type.Object({ a: Type.String({ pattern: "^(a+)+$", maxLength: 10_000 }) });
  assert.deepEqual(accepted(schema, { a: "a".repeat(10_000) }), { a: "a".repeat(10_000) });
  // With the engine's backtracking this would practically never finish.
  assert.deepEqual(issueLocations(schema, { a: `${"a".repeat(9_999)}!` }), [
    "string_pattern_mismatch body.a",
  ]);
  assert.deepEqual(issueLocations(schema, { a: `${"a".repeat(20_000)}!` }), [
    "string_too_long body.a",
    "string_pattern_mismatch body.a",
  ]);
  const keys = {
    type: "object",
    patternProperties: { "^(a|a)*$": { type: "integer" } },
    propertyNames: { maxLength: 5000 },
  };
  assert.deepEqual(issueLocations(keys, { [`${"a".repeat(4000)}!`]: 1, aa: "no" }), ["int_type body.aa"]);
});

test("patterns that only the engine can match need a smaller maxLength, and longer texts are not matched", () => {
  const looks = { type: "string", pattern: "^(?!b)(a+)+$" };
  for (const maxLength of [13, 100])
    assertRefused(() => compileInput({ ...looks, maxLength }), "SCHEMA_INVALID", /at most 12/);
  const bounded = { ...looks, maxLength: 12 };
  assert.deepEqual(accepted(bounded, "aaa"), "aaa");
  assert.deepEqual(issueLocations(bounded, `${"a".repeat(60)}!`), ["string_too_long body"]);
  const power = { type: "string", pattern: "^(?!b)\\d+\\d+$" };
  assertRefused(() => compileInput({ ...power, maxLength: 257 }), "SCHEMA_INVALID", /at most 256/);
  assert.deepEqual(accepted({ ...power, maxLength: 256 }, "12"), "12");
});

test("a maxLength elsewhere does not limit the text", () => {
  const pattern = "^(a+)+$";
  for (const schema of [
    { type: "string", pattern, maxLength: 1_000_000 },
    { allOf: [{ pattern }, { maxLength: 10 }] },
    { type: "object", maxProperties: 3, propertyNames: { pattern } },
  ]) {
    assertRefused(() => compileInput(schema), "SCHEMA_INVALID", refusal);
  }
});

test("an author may mark a pattern as trusted", () => {
  const schema = Type.String({ pattern: "^(?!b)(a+)+$", "x-servable-trusted-pattern": true });
  assert.deepEqual(accepted(schema, "aa"), "aa");
  assertRefused(
    () => compileInput({ type: "string", pattern: "^(a+)+$", "x-servable-trusted-patern": true }),
    "SCHEMA_INVALID",
    /did you mean "x-servable-trusted-pattern"/,
  );
});

test("the linear matcher gives the same results as the engine", () => {
  const characters = fc.constantFrom(..."ab1 ,.x-@/Ac\n😀");
  const all = [...EXPONENTIAL, ...POLYNOMIAL, ...LINEAR].flatMap((pattern) => {
    const linear = linearTest(pattern);
    return linear === undefined ? [] : [[pattern, new RegExp(pattern, "u"), linear] as const];
  });
  assert.ok(all.length > 35, `${all.length}`);
  fc.assert(
    fc.property(
      fc.constantFrom(...all),
      fc.array(characters, { maxLength: 8 }),
      ([pattern, engine, linear], list) => {
        const text = list.join("");
        assert.equal(linear(text), engine.test(text), `${pattern} ${JSON.stringify(text)}`);
      },
    ),
    { numRuns: 5000 },
  );
});

test("the patterns of formats do not backtrack", () => {
  for (const name of FORMAT_NAMES) {
    if (name === "byte" || name === "url") continue; // these have tests of their own
    const format: unknown = addFormats.default.get(name as FormatName);
    const pattern = format instanceof RegExp ? format : undefined;
    if (pattern !== undefined) assert.equal(patternComplexity(pattern.source), "linear", name);
  }
});

test("the time to check a format grows linearly with the text", () => {
  const pumps = [
    "a",
    ":@",
    "a-",
    "a.",
    "/@",
    "1",
    "%41",
    "{a}",
    "~0",
    "(",
    "a:",
    "@a.aa",
    "::",
    "P1",
    "[",
    ".",
    " ",
  ];
  const heads = ["", "http://", "http://a.aa:", "urn:", "P", "a@", "/", "#/", "{", "2020-01-01T"];
  for (const name of FORMAT_NAMES) {
    const { type, fits } = formatCheck(name);
    if (type === "number") continue;
    // A hundred thousand repetitions: with quadratic time this would not finish.
    for (const head of heads) for (const pump of pumps) fits(`${head}${pump.repeat(100_000)}!`);
  }
  const url = formatCheck("url").fits;
  for (const good of ["http://example.com", "https://a:b@example.com:80/x@y?z", "ftp://1.2.3.4/"])
    assert.ok(url(good), good);
  for (const bad of ["http://", "http://a b.com", "http://:@", "mailto:a@b.cd"]) assert.ok(!url(bad), bad);
});
