import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import fc from "fast-check";
import {
  FRAME,
  FrameDecoder,
  FrameError,
  writeFrame,
  type BridgeFrame,
  type FrameKind,
} from "../../../src/hosts/local/container/bridge/protocol.ts";

const KINDS = Object.values(FRAME);

function encode(...frames: readonly (readonly [FrameKind, Uint8Array?])[]): Buffer {
  const stream = new PassThrough({ highWaterMark: 2 ** 24 });
  for (const [kind, payload] of frames) writeFrame(stream, kind, payload);
  return (stream.read() as Buffer | null) ?? Buffer.alloc(0);
}

test("frames are decoded unchanged, however the bytes are divided into chunks", () => {
  const frame = fc.record({ kind: fc.constantFrom(...KINDS), payload: fc.uint8Array({ maxLength: 300 }) });
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 }),
      (frames, sizes) => {
        const bytes = encode(...frames.map(({ kind, payload }) => [kind, payload] as const));
        const decoder = new FrameDecoder();
        const decoded: BridgeFrame[] = [];
        for (let start = 0, turn = 0; start < bytes.length; turn++) {
          const end = start + (sizes[turn % sizes.length] as number);
          decoded.push(...decoder.write(bytes.subarray(start, end)));
          start = end;
        }
        assert.ok(decoder.isBetweenFrames);
        assert.deepEqual(
          decoded.map(({ kind, payload }) => ({ kind, payload: new Uint8Array(payload) })),
          frames.map(({ kind, payload }) => ({ kind, payload: new Uint8Array(payload) })),
        );
      },
    ),
  );
});

test("an incomplete frame waits for the rest", () => {
  const bytes = encode([FRAME.message, Buffer.from("whole")]);
  const decoder = new FrameDecoder();
  assert.deepEqual([...decoder.write(bytes.subarray(0, 7))], []);
  assert.equal(decoder.isBetweenFrames, false);
  const [frame] = [...decoder.write(bytes.subarray(7))];
  assert.equal(frame?.payload.toString(), "whole");
});

test("text is not a valid frame, and the error shows it", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 6, unit: "binary" }), (text) => {
      const bytes = Buffer.from(text);
      const decoder = new FrameDecoder();
      assert.throws(() => [...decoder.write(bytes)], FrameError);
    }),
  );
  const decoder = new FrameDecoder();
  assert.throws(() => [...decoder.write(Buffer.from("== CUDA ==\nVersion 12"))], {
    name: "FrameError",
    message: 'expected a frame, got "== CUDA == Version 12"',
  });
});

test("frames before an invalid frame are delivered, and none after it", () => {
  const decoder = new FrameDecoder();
  const bytes = Buffer.concat([encode([FRAME.ready]), Buffer.from("garbage")]);
  const frames: BridgeFrame[] = [];
  assert.throws(() => {
    for (const frame of decoder.write(bytes)) frames.push(frame);
  }, FrameError);
  assert.deepEqual(
    frames.map(({ kind }) => kind),
    [FRAME.ready],
  );
  assert.deepEqual([...decoder.write(encode([FRAME.ready]))], []);
});

test("a payload of 100 MB in small chunks is assembled without repeated copies", () => {
  const payload = Buffer.alloc(1e8, 7);
  const header = encode([FRAME.message]);
  header.writeUInt32BE(payload.length, 0);
  const decoder = new FrameDecoder();
  assert.deepEqual([...decoder.write(header)], []);
  const began = performance.now();
  let decoded: BridgeFrame | undefined;
  for (let start = 0; start < payload.length; start += 65_536) {
    for (const frame of decoder.write(payload.subarray(start, start + 65_536))) decoded = frame;
  }
  assert.ok(decoded?.payload.equals(payload));
  // One copy takes about 50 ms; a copy for each of the 1,526 chunks would take more than a minute.
  assert.ok(performance.now() - began < 10_000);
});
