import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as ws from "ws";
import { isShort, wholeFrame } from "../../src/server/sockets/whole-frame.ts";

/** A class of `ws` that its types lack. */
const { Sender } = ws as unknown as {
  readonly Sender: { frame(payload: string | Buffer, options: object): readonly (string | Buffer)[] };
};

/** What `ws` writes for a message of a server. */
function frameOfWs(payload: string | Uint8Array): Buffer {
  const options = { fin: true, rsv1: false, mask: false, readOnly: false };
  const parts =
    typeof payload === "string"
      ? Sender.frame(payload, { ...options, opcode: 1 })
      : Sender.frame(Buffer.from(payload), { ...options, opcode: 2 });
  return Buffer.concat(parts.map((part) => Buffer.from(part as string)));
}

// Around the lengths at which the head changes.
const length = fc.oneof(
  fc.integer({ min: 0, max: 20 }),
  fc.constantFrom(124, 125, 126, 127, 255, 256, 16_383, 16_384),
);
const bytes = length.map((size) => Uint8Array.from({ length: size }, (_, index) => index * 7));
const text = fc
  .tuple(length, fc.constantFrom("a", "é", "€", "😀", "\ud800"))
  .map(([size, character]) => character.repeat(size).slice(0, size));

test("a short message is the same bytes as a message that ws sends", () => {
  fc.assert(
    fc.property(fc.oneof(bytes, text, fc.string({ unit: "grapheme" })), (payload) => {
      assert.ok(isShort(payload));
      assert.deepEqual(wholeFrame(payload), frameOfWs(payload));
    }),
    { numRuns: 500 },
  );
});

test("a long payload, and a value that only ws can send, is not short", () => {
  for (const payload of [
    "a".repeat(16_385),
    new Uint8Array(16_385),
    new ArrayBuffer(2),
    new Uint16Array(2),
    new DataView(new ArrayBuffer(2)),
    [1, 2],
  ]) {
    assert.equal(isShort(payload as Uint8Array), false, Object.prototype.toString.call(payload));
  }
});
