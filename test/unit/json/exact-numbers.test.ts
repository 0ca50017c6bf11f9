import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeMessagePack, decodeMessagePack } from "../../../src/realtime/msgpack.ts";
import { findInexactNumbers } from "../../../src/json/exact-numbers.ts";

const literals = (text: string): string[] => findInexactNumbers(text).map(({ literal }) => literal);

test("an integer that a double cannot represent exactly is found at any depth", () => {
  for (const literal of [
    ...["9007199254740993", "-9007199254740993", "9007199254740993.0", "12345678901234567890"],
    ...["18446744073709551615", "9223372036854775807", "-9223372036854775807", `1${"0".repeat(50)}1`],
  ]) {
    for (const [text, path] of [
      [literal, []],
      [`[0,${literal} ]`, [1]],
      [`{"a":{"b\\"c":[[],{},"x",${literal}]}}`, ["a", 'b"c', 3]],
      [`{"a":"9007199254740993","\\u0062":${literal},"c":1}`, ["b"]],
    ] as const) {
      assert.deepEqual(findInexactNumbers(text), [{ literal, path, isInfinite: false }], text);
    }
  }
});

test("numbers that would become infinite are found", () => {
  for (const literal of ["1e309", "-1E+400", "1.5e9999", `1${"0".repeat(309)}`]) {
    const [found] = findInexactNumbers(`{"a":${literal}}`);
    assert.equal(found?.isInfinite, true, literal);
  }
});

test("fractions, integers that a double holds exactly, and integers that print with the same digits are accepted", () => {
  for (const literal of [
    ...[
      "9007199254740991",
      "9007199254740992",
      "-9007199254740992",
      "1152921504606846976",
      "18446744073709551616",
    ],
    ...[
      "100000000000000000000",
      "123456789012345680000",
      "0.1234567890123456789",
      "3.141592653589793238462643",
    ],
    ...["1e22", "1e23", "1e-400", "1.7976931348623157e308", "0.00000000000000000000001", "-0"],
  ]) {
    assert.deepEqual(literals(`[${literal}]`), [], literal);
  }
});

test("texts and keys of digits are not checked as numbers", () => {
  const text = JSON.stringify({
    "9007199254740993": "9007199254740993 1e400",
    a: ['"9007199254740993', "\\"],
  });
  assert.deepEqual(literals(text), []);
});

test("only as many numbers are reported as an answer can hold, each shortened", () => {
  const many = findInexactNumbers(`[${Array.from({ length: 1000 }, () => "9007199254740993").join()}]`);
  assert.equal(many.length, 20);
  const [long] = findInexactNumbers(`{"${"k".repeat(10_000)}":${"9".repeat(10_000)}}`);
  assert.ok(JSON.stringify(long).length < 400);
});

test("MessagePack: 64-bit integers are accepted if a double holds them exactly, otherwise rejected", () => {
  const frame = (type: number, value: bigint): Uint8Array => {
    const bytes = Buffer.alloc(9);
    bytes[0] = type;
    if (type === 0xcf) bytes.writeBigUInt64BE(value, 1);
    else bytes.writeBigInt64BE(value, 1);
    return bytes;
  };
  for (const [type, value] of [
    [0xcf, 2n ** 53n],
    [0xcf, 2n ** 63n],
    [0xd3, -(2n ** 63n)],
    [0xd3, -5n],
  ] as const) {
    assert.equal(decodeMessagePack(frame(type, value)), Number(value));
  }
  for (const [type, value] of [
    [0xcf, 2n ** 53n + 1n],
    [0xcf, 2n ** 64n - 1n],
    [0xd3, 2n ** 63n - 1n],
    [0xd3, -(2n ** 53n) - 1n],
  ] as const) {
    assert.throws(
      () => decodeMessagePack(frame(type, value)),
      new RegExp(`the integer ${value} has more digits`),
    );
  }
  assert.equal(decodeMessagePack(encodeMessagePack(2 ** 60)), 2 ** 60);
});
