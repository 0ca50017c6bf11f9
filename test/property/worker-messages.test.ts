import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { encodeMessage, MessageDecoder, MessageError } from "../../src/processes/message-codec.ts";

/** Values of every kind that structured clone supports, many of them small and plain. */
const values = fc
  .oneof(
    fc.jsonValue({ noUnicodeString: false }),
    fc.anything({
      withBigInt: true,
      withBoxedValues: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
      withNullPrototype: true,
    }),
    fc.record({ headers: fc.dictionary(fc.string(), fc.string()), none: fc.constant(undefined) }),
    fc.constantFrom<unknown>(
      -0,
      Number.NaN,
      Infinity,
      "\ud800",
      "\u2028\n",
      JSON.parse('{"__proto__":{"a":1}}'),
    ),
    fc.constantFrom<unknown>(/x/g, new RangeError("x"), "ü".repeat(20_000), "abc".match(/b/)),
  )
  // Node's assert takes no two invalid dates for equal.
  .filter((value) => !inspect(value, { depth: Infinity }).includes("Invalid Date"));

function bytesOf(message: object): Buffer {
  const encoded = encodeMessage(message);
  return typeof encoded === "string" ? Buffer.from(encoded) : encoded;
}

function decode(chunks: readonly Buffer[]): unknown[] {
  const messages: unknown[] = [];
  const decoder = new MessageDecoder((message) => messages.push(message));
  for (const chunk of chunks) decoder.write(chunk);
  return messages;
}

/** Cuts bytes at some places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

test("every value arrives as structured clone copies it", () => {
  fc.assert(
    fc.property(values, (value) => {
      const expected: unknown = structuredClone(value);
      assert.deepStrictEqual(decode([bytesOf({ value })]), [
        expected === undefined ? {} : { value: expected },
      ]);
    }),
  );
});

test("messages arrive in order, however their bytes are cut", () => {
  fc.assert(
    fc.property(fc.array(values, { maxLength: 5 }), fc.array(fc.nat()), (list, places) => {
      const bytes = Buffer.concat(list.map((value) => bytesOf({ is: "message", value })));
      const whole = decode([bytes]);
      assert.equal(whole.length, list.length);
      assert.deepStrictEqual(decode(cut(bytes, places)), whole);
      assert.deepStrictEqual(decode(cut(bytes, [...bytes.keys()].slice(0, 300))), whole);
    }),
  );
});

test("bytes that are no message are an error of the decoder, and never anything else", () => {
  const garbage = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    fc.string().map((text) => Buffer.from(`{${text}\n`)),
    fc.uint8Array({ maxLength: 64 }).map((bytes) => {
      const head = Buffer.from([0, 2 + bytes.length, 0, 0, 0, 0xff, 0x0f]);
      return Buffer.concat([head, bytes]);
    }),
  );
  fc.assert(
    fc.property(garbage, (bytes) => {
      try {
        decode([bytes]);
      } catch (error) {
        assert.ok(error instanceof MessageError, String(error));
      }
    }),
  );
});

describe("a message is refused", () => {
  const cases: readonly (readonly [string, Buffer, RegExp])[] = [
    ["if it begins with another byte", Buffer.from("ready\n"), /begins with byte 114/],
    ["if its line is not JSON", Buffer.from("{ready}\n"), /not JSON/],
    ["if its line does not end", Buffer.alloc(2 ** 21, "{"), /too long/],
    ["if its clone is none", Buffer.from([0, 2, 0, 0, 0, 1, 2]), /not a structured clone/],
    ["if its clone is not an object", Buffer.from([0, 3, 0, 0, 0, 0xff, 0x0f, 0x30]), /not an object/],
  ];
  for (const [title, bytes, words] of cases) {
    test(title, () => {
      assert.throws(() => decode([bytes]), words);
    });
  }
});

test("a small message of plain values is a line of JSON; any other value makes it a clone", () => {
  const kindOf = (value: unknown): string => typeof encodeMessage({ value });
  for (const value of [1, "x", null, [], { a: [{ b: true }] }, undefined])
    assert.equal(kindOf(value), "string");
  const others = [-0, Infinity, 1n, [undefined], { a: undefined }, new Date(), "x".repeat(10_000), Array(2)];
  for (const value of others) assert.equal(kindOf(value), "object");
  assert.throws(() => encodeMessage({ value: () => 1 }), /could not be cloned/);
  assert.throws(() => encodeMessage({ value: new Proxy({}, {}) }), /could not be cloned/);
});

test("an object that inherits from an empty one, like the parameters of a path in Fastify, is a line of JSON", () => {
  const inheriting = (prototype: object): object =>
    Object.assign(Object.create(prototype) as object, { id: "7" });
  const empty = Object.create(null) as object;
  assert.equal(encodeMessage({ params: inheriting(empty) }), '{"params":{"id":"7"}}\n');
  const converting = Object.assign(Object.create(null) as object, { toJSON: () => 1 });
  for (const other of [Map.prototype, converting, inheriting(empty)])
    assert.equal(typeof encodeMessage({ params: inheriting(other) }), "object");
});
