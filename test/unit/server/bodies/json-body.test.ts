import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyError, InputValidationError } from "../../../../src/errors.ts";
import { isJsonType, readBody, readJson, UnreadableBody } from "../../../../src/server/bodies/json-body.ts";
import { thrownBy } from "../../../helpers/thrown.ts";

const MAX_DEPTH = 256;
const LIMITS = { maxDepth: MAX_DEPTH, maxValues: 20_000 };

const json = (text: string): unknown => readJson(Buffer.from(text), LIMITS);

function assertUnreadable(bytes: Buffer): void {
  const error = thrownBy(() => readJson(bytes, LIMITS));
  assert.ok(error instanceof BodyError, String(error));
  assert.equal(error.code, "BODY_UNREADABLE");
}

test("JSON content types are recognised in any case, with or without parameters", () => {
  const yes = [
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "application/json ;x=y",
    "application/problem+json",
    "application/vnd.api+json; v=1",
    "APPLICATION/LD+JSON",
  ];
  const no = [
    undefined,
    "",
    "text/json",
    "application/jsonp",
    "application/json5",
    "application/json-seq",
    "application/+json",
    "application/xml",
    "multipart/form-data",
    "text/plain; application/json",
    "xapplication/json",
  ];
  for (const type of yes) assert.ok(isJsonType(type), type);
  for (const type of no) assert.ok(!isJsonType(type), String(type));
});

test("a byte-order mark is skipped, once", () => {
  assert.deepEqual(readJson(Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]), LIMITS), {});
  assert.ok(thrownBy(() => json("\ufeff\ufeff{}")) instanceof InputValidationError);
});

test("an empty body is missing; a body with only a byte-order mark is invalid JSON", () => {
  assert.equal(json(""), undefined);
  assert.ok(thrownBy(() => json("\ufeff")) instanceof InputValidationError);
});

test("of several equal keys the last one is used", () => {
  assert.deepEqual(json('{"a":1,"a":2}'), { a: 2 });
});

test("a body that is not valid UTF-8 is unreadable", () => {
  for (const bytes of [
    [0xff],
    [0x22, 0xc3, 0x28, 0x22],
    [0xed, 0xa0, 0x80],
    [0xc0, 0x80],
    [0x22, 0xe2, 0x82],
  ]) {
    assertUnreadable(Buffer.from(bytes));
  }
  assertUnreadable(Buffer.from([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00])); // UTF-16
});

test("nesting is accepted up to the limit and rejected beyond it", () => {
  const lists = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
  const objects = (depth: number): string => `${'{"a":'.repeat(depth - 1)}{}${"}".repeat(depth - 1)}`;
  for (const nested of [lists, objects]) {
    assert.doesNotThrow(() => json(nested(MAX_DEPTH)));
    assert.doesNotThrow(() => json(` ${nested(MAX_DEPTH)} `));
    assertUnreadable(Buffer.from(nested(MAX_DEPTH + 1)));
    assertUnreadable(Buffer.from(nested(100_000)));
  }
  assertUnreadable(Buffer.from(`[1, {"a": ${lists(MAX_DEPTH - 1)}}]`));
});

test("nesting beyond the limit is rejected before parsing, even in invalid JSON", () => {
  assertUnreadable(Buffer.from("[".repeat(100_000)));
  assertUnreadable(Buffer.from(`${'{"a":'.repeat(100_000)}`));
});

test("values are accepted up to the limit, and rejected beyond it before any of them is created", () => {
  const list = (values: number): string => `[${"1,".repeat(values - 2)}1]`;
  assert.equal((json(list(20_000)) as unknown[]).length, 19_999);
  const objects = (count: number): string => `[${'{"a":{}},'.repeat(count)}{}]`; // an object, a key, an object
  const many = [
    list(20_001),
    objects(6_667),
    `[${"[],".repeat(20_000)}1]`,
    `{${'"a":1,'.repeat(10_000)}"a":1}`,
  ];
  for (const text of [...many, "[1,".repeat(5) + ",".repeat(20_000)]) {
    const error = thrownBy(() => json(text));
    assert.ok(error instanceof BodyError, String(error));
    assert.equal(error.code, "BODY_TOO_COMPLEX");
    assert.equal(error.statusCode, 413);
  }
  assert.equal((json(objects(6_665)) as unknown[]).length, 6_666);
});

test("the admit callback receives the number of values in a body, but is not called for small bodies", () => {
  const admitted: number[] = [];
  const admit = (values: number): void => void admitted.push(values);
  readJson(Buffer.from("[1,2]"), LIMITS, admit);
  readJson(Buffer.from(`["${"[".repeat(600)}",{"a":[]}]`), LIMITS, admit);
  assert.deepEqual(admitted, [5]);
  const refusal = new Error("no");
  assert.equal(
    thrownBy(() =>
      readJson(Buffer.from(" ".repeat(600) + "[}"), LIMITS, () => {
        throw refusal;
      }),
    ),
    refusal,
  );
});

test("a wide body does not count as a deep one", () => {
  assert.equal((json(`[${"[],".repeat(5000)}5]`) as unknown[]).length, 5001);
  assert.equal(json(`"${"[".repeat(5000)}"`), "[".repeat(5000));
});

test("keys named __proto__ are removed at every depth, also in escaped form", () => {
  for (const key of ["__proto__", "\\u005f_proto__", "\\u005F\\u005Fproto\\u005f_"]) {
    const value = json(`{"a":[{"${key}":{"polluted":true},"b":1}],"${key}":5}`) as { a: object[] };
    assert.deepEqual(Object.keys(value), ["a"]);
    assert.deepEqual(Object.keys(value.a[0] as object), ["b"]);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
  }
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
});

test("other inherited names as keys, and __proto__ as a value, are kept", () => {
  assert.deepEqual(Object.entries(json('{"constructor":1,"toString":"__proto__"}') as object), [
    ["constructor", 1],
    ["toString", "__proto__"],
  ]);
});

test("invalid JSON is rejected in the documented form", () => {
  const error = thrownBy(() => json('{"a":1,}'));
  assert.ok(error instanceof InputValidationError);
  assert.deepEqual(error.issues, [
    {
      type: "json_invalid",
      loc: ["body", 7],
      msg: "JSON decode error",
      input: {},
      ctx: { error: "Expecting property name" },
    },
  ]);
});

test("a body of another type stays raw bytes; a broken JSON body is returned as its error", () => {
  const bytes = Buffer.from('{"a":1}');
  assert.equal(readBody("text/plain", bytes, LIMITS), bytes);
  assert.equal(readBody(undefined, bytes, LIMITS), bytes);
  assert.equal(readBody("text/plain", Buffer.alloc(0), LIMITS), undefined);
  assert.deepEqual(readBody("application/json", bytes, LIMITS), { a: 1 });
  const broken = readBody("application/json", Buffer.from("{"), LIMITS);
  assert.ok(broken instanceof UnreadableBody);
  assert.ok(broken.error instanceof InputValidationError);
});
