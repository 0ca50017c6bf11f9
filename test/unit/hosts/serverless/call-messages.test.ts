import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Answer, AnswerReader, EncodedCall } from "../../../../src/hosts/serverless/call-messages.ts";
import { unpacked } from "../../../../src/hosts/serverless/server/call-protocol.ts";

/** Reads a body in chunks of the given lengths, repeated as needed. */
function read(body: string, lengths: readonly number[]): Answer | undefined {
  const reader = new AnswerReader();
  const bytes = Buffer.from(body);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length] ?? bytes.length;
    reader.push(bytes.subarray(at, at + length));
    at += length;
  }
  return reader.answer();
}

describe("a call's response", () => {
  test("is read in chunks of any size", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom("result" as const, "thrown" as const),
        fc.constantFrom("", " ", "\n  "),
        (value, lengths, field, blank) => {
          const digits = Buffer.from(value).toString("base64");
          const body = `${blank}{${blank}"${field}"${blank}:${blank}"${digits}"${blank}}${blank}`;
          const bytes = Buffer.from(value);
          assert.deepEqual(read(body, lengths), { field, bytes });
        },
      ),
    );
  });

  test("is invalid in another format, or without its end", () => {
    const bodies = [
      ...["", "null", "5", '"text"', "[]", "{}", '{"result":5}', '{"thrown":null}', "<html></html>"],
      ...['{"result":"AAAA', '{"result":"AAAA"', '{"result":"AAAA","thrown":"AAAA"}', '{"other":"AAAA"}'],
      `{"result":"AAAA"}${"x".repeat(1000)}`,
    ];
    for (const body of bodies)
      for (const lengths of [[], [1], [7]]) assert.equal(read(body, lengths), undefined);
  });

  test("in another format is not buffered, however long it is", () => {
    const reader = new AnswerReader();
    const chunk = Buffer.alloc(65_536, "<p>");
    reader.push(chunk.subarray(0, 100));
    assert.equal(reader.isOver, false);
    for (let count = 0; count < 1000; count++) reader.push(chunk);
    assert.equal(reader.isOver, true);
    assert.ok(reader.text().length <= 65_536);
  });
});

test("a body has the declared length and contains the arguments, each time it is read", () => {
  for (const length of [0, 1, 2, 3, 200_000, 3 * 2 ** 16]) {
    const value = new Uint8Array(length).fill(9);
    const body = new EncodedCall("f()", [value, new Map([[1, new Date(5)]])]);
    for (let time = 0; time < 2; time++) {
      const text = Buffer.concat([...body.pieces()]);
      assert.equal(text.length, body.length);
      const { format, args } = JSON.parse(text.toString()) as { format: number; args: string };
      assert.equal(format, 1);
      assert.deepEqual(unpacked(args), [value, new Map([[1, new Date(5)]])]);
    }
  }
});
