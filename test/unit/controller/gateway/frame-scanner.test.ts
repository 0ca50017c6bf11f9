import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameScanner } from "../../../../src/controller/gateway/frame-scanner.ts";

interface Frame {
  readonly code: number;
  readonly isFinal: boolean;
  readonly isMasked: boolean;
  readonly payload: Buffer;
}

function bytesOf({ code, isFinal, isMasked, payload }: Frame): Buffer {
  const { length } = payload;
  const mask = isMasked ? 0x80 : 0;
  const first = (isFinal ? 0x80 : 0) | code;
  const head =
    length < 126
      ? Buffer.from([first, mask | length])
      : length < 65_536
        ? Buffer.from([first, mask | 126, length >> 8, length & 0xff])
        : Buffer.concat([Buffer.from([first, mask | 127, 0, 0, 0, 0]), Buffer.alloc(4)]);
  if (length >= 65_536) head.writeUInt32BE(length, 6);
  return Buffer.concat([head, isMasked ? Buffer.from([1, 2, 3, 4]) : Buffer.alloc(0), payload]);
}

const payload = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000).map((length) => new Uint8Array(length)),
);
/** A message in one frame or several, with a ping between them. */
const message = fc
  .record({ pieces: fc.array(payload, { minLength: 1, maxLength: 3 }), isText: fc.boolean() })
  .map(({ pieces, isText }) =>
    pieces.flatMap((each, index): Omit<Frame, "isMasked">[] => [
      ...(index === 0 ? [] : [{ code: 9, isFinal: true, payload: Buffer.from("ping") }]),
      {
        code: index > 0 ? 0 : isText ? 1 : 2,
        isFinal: index === pieces.length - 1,
        payload: Buffer.from(each),
      },
    ]),
  );

test("the ends of messages are found however the bytes are cut", () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 5 }),
      fc.boolean(),
      fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 20 }),
      (messages, isMasked, cuts) => {
        let ends = 0;
        const scanner = new FrameScanner({ onMessage: () => ends++ });
        const bytes = Buffer.concat(messages.flat().map((frame) => bytesOf({ ...frame, isMasked })));
        let at = 0;
        for (let index = 0; at < bytes.length; index++) {
          const chunk = bytes.subarray(at, at + (cuts[index % cuts.length] as number));
          assert.equal(scanner.scan(chunk, 0, false), chunk.length);
          at += chunk.length;
        }
        assert.equal(ends, messages.length);
        assert.ok(scanner.isBetween);
      },
    ),
  );
});

test("reading stops at the end of a frame, and what is in front of a message's end is not between messages", () => {
  const texts: (string | undefined)[] = [];
  const scanner = new FrameScanner({ onMessage: (text) => texts.push(text) });
  const half = bytesOf({ code: 1, isFinal: false, isMasked: false, payload: Buffer.from("he") });
  const rest = bytesOf({ code: 0, isFinal: true, isMasked: false, payload: Buffer.from("llo") });
  const close = Buffer.from([0x88, 0]);
  const all = Buffer.concat([half, rest, close]);
  assert.equal(scanner.scan(all, 0, true), half.length);
  assert.equal(scanner.isBetween, false);
  assert.equal(scanner.scan(all, half.length, true), half.length + rest.length);
  assert.ok(scanner.isBetween);
  assert.ok(scanner.beginsClose(all, half.length + rest.length));
  assert.deepEqual(texts, ["hello"]);
});
