import assert from "node:assert/strict";
import { test } from "node:test";
import { findSyntaxFault } from "../../../../src/server/bodies/json-syntax.ts";

/** The offset at which Python's json module reports the error of each text. */
const FAULTS: readonly (readonly [text: string, offset: number, message: string])[] = [
  ["", 0, "Expecting value"],
  ["  ", 2, "Expecting value"],
  ["tru", 0, "Expecting value"],
  ["-", 0, "Expecting value"],
  ["+1", 0, "Expecting value"],
  [".5", 0, "Expecting value"],
  ["]", 0, "Expecting value"],
  ["\u00a01", 0, "Expecting value"],
  ["[", 1, "Expecting value"],
  ["[}", 1, "Expecting value"],
  ["[1,", 3, "Expecting value"],
  ["[1,]", 3, "Expecting value"],
  ["[,]", 1, "Expecting value"],
  ["\t\n[1,\n  2,,3]", 10, "Expecting value"],
  ['{"a":', 5, "Expecting value"],
  ['{"a":[1,{"b":}]}', 13, "Expecting value"],
  ["[1", 2, "Expecting ',' or ']'"],
  ["[1 2]", 3, "Expecting ',' or ']'"],
  ['{"a":1', 6, "Expecting ',' or '}'"],
  ['{"a":1 "b":2}', 7, "Expecting ',' or '}'"],
  ['{"a"', 4, "Expecting ':'"],
  ['{"a" 1}', 5, "Expecting ':'"],
  ["{", 1, "Expecting property name or '}'"],
  ["{]", 1, "Expecting property name or '}'"],
  ["{a:1}", 1, "Expecting property name or '}'"],
  ["{'a':1}", 1, "Expecting property name or '}'"],
  ['{"a":1,', 7, "Expecting property name"],
  ['{"a":1,}', 7, "Expecting property name"],
  ["01", 1, "Extra data"],
  ["1.", 1, "Extra data"],
  ["1e", 1, "Extra data"],
  ["1 2", 2, "Extra data"],
  ["{}x", 2, "Extra data"],
  ["1\u00a0", 1, "Extra data"],
  ['"abc', 0, "Unterminated string"],
  ['"a\\"', 0, "Unterminated string"],
  ['"\\', 0, "Unterminated string"],
  ['["a]', 1, "Unterminated string"],
  ['{"a":1,"b}', 7, "Unterminated string"],
  ['"a\nb"', 2, "Invalid control character in string"],
  ['"\u0000"', 1, "Invalid control character in string"],
  ['"\\x"', 1, "Invalid escape in string"],
  ['"\\u12"', 2, "Invalid escape in string"],
  ['"\\u12G4"', 2, "Invalid escape in string"],
  ['["\\uD83D\\u00"]', 9, "Invalid escape in string"],
  ['["é😀", x]', 7, "Expecting value"],
  ['{"😀":}', 5, "Expecting value"],
  ['"😀', 0, "Unterminated string"],
];

for (const [text, offset, message] of FAULTS) {
  test(`${JSON.stringify(text)} has its error at ${offset}`, () => {
    assert.deepEqual(findSyntaxFault(text), { offset, message });
    assert.throws(() => JSON.parse(text), SyntaxError);
  });
}

test("valid JSON texts have no error", () => {
  const texts = [
    "null",
    " true ",
    "-0.5e+10",
    '"\\u00e9\\n\\/"',
    "[]",
    "{}",
    '{"a":[{"b":[]},1],"a":2}',
    '"\u2028\u007f"',
  ];
  for (const text of texts) {
    JSON.parse(text);
    assert.equal(findSyntaxFault(text), undefined, text);
  }
});

test("deep nesting does not overflow the stack", () => {
  const depth = 1_000_000;
  assert.deepEqual(findSyntaxFault("[".repeat(depth)), { offset: depth, message: "Expecting value" });
  assert.equal(findSyntaxFault("[".repeat(depth) + "]".repeat(depth)), undefined);
});

test("a long text is checked quickly", () => {
  const started = performance.now();
  findSyntaxFault(`["${"a".repeat(2_000_000)}",${" ".repeat(2_000_000)}`);
  findSyntaxFault(`{${'"key": "value", '.repeat(100_000)}`);
  assert.ok(performance.now() - started < 2000);
});
