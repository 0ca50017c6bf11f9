import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode } from "@msgpack/msgpack";
import * as fc from "fast-check";
import {
  assertMessagePack,
  MAX_FRAME_DEPTH,
  MessagePackError,
  decodeMessagePack,
  encodeMessagePack,
} from "../../src/realtime/msgpack.ts";

/** Lengths around the limits at which MessagePack changes to a wider format. */
const EDGES = [0, 1, 15, 16, 17, 31, 32, 33, 255, 256, 257, 65_535, 65_536, 65_537];
const edge = fc.constantFrom(...EDGES);

const key = fc
  .oneof(fc.string({ maxLength: 20, unit: "binary" }), fc.constantFrom(31, 32, 255, 256).map(text))
  .filter((name) => name !== "__proto__");

const leaf: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, true, false),
  fc.maxSafeInteger(),
  fc.integer({ min: -300, max: 300 }),
  fc.double().map((number) => number + 0), // MessagePack writes -0 as 0
  fc.string({ unit: "grapheme", maxLength: 40 }),
  edge.map(text),
  edge.map((length) => new Uint8Array(length).fill(0xc1)),
  fc.uint8Array({ maxLength: 40 }),
  fc.date({ noInvalidDate: true, min: new Date("1900-01-01"), max: new Date("2600-01-01") }),
);

const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    leaf,
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(key, tie("value"), { maxKeys: 20, noNullPrototype: true }),
  ),
})).value;

/** Frames of values, small enough to be corrupted at many positions. */
const smallFrame = fc
  .jsonValue({ maxDepth: 5 })
  .filter((json) => !JSON.stringify(json).includes("__proto__"))
  .map((json) => encode(json));

/** Pieces of hostile frames: huge lengths, odd types, unused codes. */
const PIECES = [
  ...[
    "dd ffffffff",
    "df ffffffff",
    "db ffffffff",
    "c6 ffffffff",
    "c9 ffffffff ff",
    "dd 7fffffff",
    "df 80000000",
  ],
  ...["dc ffff", "de ffff", "da ffff", "c5 ffff", "c8 ffff ff", "d9 ff", "c4 ff", "c7 ff ff"],
  ...["c1", "81 01 02", "81 c0 c0", "81 90 c0", "82 a1 61 01 c2 01", "81 c4 01 61 c0", "8f", "9f"],
  ...[
    "d4 01 00",
    "d5 ff 0000",
    "d6 ff ffffffff",
    "d7 ff ffffffffffffffff",
    "d8 ff 00000000000000000000000000000000",
  ],
  ...[
    "c7 0c ff ffffffffffffffffffffffff",
    "c7 00 ff",
    "a9 5f5f70726f746f5f5f",
    "81 a9 5f5f70726f746f5f5f c0",
  ],
  ...[
    "cf ffffffffffffffff",
    "d3 8000000000000000",
    "cb 7ff8000000000000",
    "a2 c3 28",
    "a1 ff",
    "a3 f0 9f 98",
  ],
].map(bytes);

interface Edit {
  readonly at: number;
  readonly drop: number;
  readonly insert: Uint8Array;
}
const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.nat(),
  drop: fc.constantFrom(0, 1, 2, 1000),
  insert: fc.oneof(fc.constantFrom(...PIECES), fc.uint8Array({ maxLength: 4 })),
});

test("a frame of an official encoder is accepted and decodes to the original value", () => {
  fc.assert(
    fc.property(value, (original) => {
      const frame = encode(original);
      assertMessagePack(frame);
      assert.deepEqual(decodeMessagePack(frame), original);
      assert.deepEqual(decode(Uint8Array.from(encodeMessagePack(original))), original); // neither it nor its parts are Buffers
    }),
    { numRuns: 300 },
  );
});

test("a value is encoded to the same bytes as by the official encoder, without the fields that are undefined", () => {
  const partial = fc.dictionary(key, fc.oneof(value, fc.constant(undefined)), { noNullPrototype: false });
  const numbers = fc.oneof(
    fc.constantFrom(...[7, 8, 15, 16, 31, 32, 52, 53].flatMap((bits) => [2 ** bits, 2 ** bits - 1])),
    fc.constantFrom(-1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1, -(2 ** 53)),
    fc.constantFrom(NaN, Infinity, -Infinity, -0, 2 ** 60, 0.1, Number.MIN_VALUE),
  );
  const dates = fc
    .oneof(
      fc.integer({ min: -1e13, max: 1e13 }),
      fc.constantFrom(0, -1, 2 ** 32 * 1000, 2 ** 34 * 1000, 8.64e15),
    )
    .map((time) => new Date(time));
  const views = fc.constantFrom(new Uint16Array([1, 2]), new DataView(new ArrayBuffer(3)), Buffer.from("ab"));
  fc.assert(
    fc.property(fc.oneof(value, partial, numbers, dates, views, fc.array(partial)), (original) => {
      const expected = encode(original, { ignoreUndefined: true });
      assert.deepEqual(Buffer.from(encodeMessagePack(original)), Buffer.from(expected));
    }),
    { numRuns: 2000 },
  );
});

test("numbers of every format, written by any encoder, are read", () => {
  const frames: Record<string, unknown> = {
    ...{
      "cc 05": 5,
      "cd 0005": 5,
      "ce 00000005": 5,
      "cf 0000000000000005": 5,
      "cf 001fffffffffffff": 2 ** 53 - 1,
    },
    ...{
      "d0 ff": -1,
      "d1 ffff": -1,
      "d2 ffffffff": -1,
      "d3 ffffffffffffffff": -1,
      "d3 ffe0000000000001": 1 - 2 ** 53,
    },
    ...{ "ca 3fc00000": 1.5, "cb 3ff8000000000000": 1.5, "d3 0000000100000000": 2 ** 32, e0: -32 },
  };
  for (const [hex, number] of Object.entries(frames))
    assert.equal(decodeMessagePack(bytes(hex)), number, hex);
});

test("a string of any length keeps its characters, and what is not UTF-8 becomes U+FFFD", () => {
  for (const length of [1, 8, 9, 31, 32, 64, 65, 200, 300, 70_000]) {
    for (const character of ["a", "é", "\ufeff", "😀"]) {
      const text = character + "x".repeat(length - 1);
      assert.equal(decodeMessagePack(encodeMessagePack(text)), text);
    }
    const lone = "x".repeat(length - 1) + "\ud800";
    assert.equal(decodeMessagePack(encodeMessagePack(lone)), "x".repeat(length - 1) + "\ufffd");
  }
  assert.equal(decodeMessagePack(bytes("a2 c3 28")), "\ufffd(");
});

test("keys of the same length, first, middle and last character are told apart", () => {
  for (let round = 0; round < 3; round++) {
    for (let number = 0; number < 2000; number++) {
      const map = { [`k${String(number).padStart(4, "0")}-k`]: number };
      assert.deepEqual(decodeMessagePack(encodeMessagePack(map)), map);
    }
  }
});

test("encoded values stay as they are, whatever is encoded after them", () => {
  fc.assert(
    fc.property(fc.array(value, { minLength: 2, maxLength: 5 }), (values) => {
      const frames = values.map((each) => encodeMessagePack(each));
      for (const [index, frame] of frames.entries())
        assert.deepEqual(Buffer.from(frame), Buffer.from(encode(values[index])));
    }),
    { numRuns: 50 },
  );
  for (const length of [1000, 15_000, 16_380, 16_384, 20_000, 100_000]) {
    const frames = Array.from({ length: 40 }, (_, n) =>
      encodeMessagePack({ n, text: "é".repeat(length / 2) }),
    );
    for (const [n, frame] of frames.entries()) {
      assert.deepEqual(decode(Uint8Array.from(frame)), { n, text: "é".repeat(length / 2) });
      assert.ok(
        frame.buffer.byteLength <= Math.max(16_384, frame.length),
        "no memory is held besides its own",
      );
    }
  }
});

test("a value whose getter encodes another value is encoded", () => {
  const nested = {
    first: 1,
    get inner() {
      return encodeMessagePack({ a: 1 });
    },
    last: 2,
  };
  const inner = encode({ a: 1 });
  assert.deepEqual(Buffer.from(encodeMessagePack(nested)), Buffer.from(encode({ first: 1, inner, last: 2 })));
});

test("what MessagePack can't hold is refused, and the next value is encoded", () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  const throwing = {
    get field(): never {
      throw new RangeError("a getter that throws");
    },
  };
  for (const [unsendable, message] of [
    [{ call: () => 1 }, /can't hold a function/],
    [[Symbol("s")], /can't hold a symbol/],
    [{ big: 1n }, /can't hold a bigint/],
    [cycle, /nested too deeply/],
    [throwing, /a getter that throws/],
    [{ large: new Uint8Array(100_000), call: () => 1 }, /can't hold a function/],
  ] as const) {
    assert.throws(() => encodeMessagePack(unsendable), message);
    assert.deepEqual(Buffer.from(encodeMessagePack({ a: 1 })), Buffer.from(encode({ a: 1 })));
  }
});

test("arrays and maps of all sizes are accepted and decode to the original values", () => {
  for (const size of EDGES) {
    const array = Array.from({ length: size }, (_, index) => index % 200);
    const map = Object.fromEntries(array.map((item, index) => [`k${index}`, item]));
    assert.deepEqual(decodeMessagePack(encode(array)), array);
    assert.deepEqual(decodeMessagePack(encode(map)), map);
  }
});

test("a frame is accepted at any offset in its buffer", () => {
  fc.assert(
    fc.property(smallFrame, fc.nat(9), (frame, offset) => {
      const buffer = Buffer.alloc(offset + frame.length + 5, 0x81);
      buffer.set(frame, offset);
      const view = buffer.subarray(offset, offset + frame.length);
      assert.deepEqual(decodeMessagePack(view), decode(frame));
    }),
  );
});

test("a frame truncated anywhere, or followed by bytes, is refused", () => {
  fc.assert(
    fc.property(smallFrame, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 3 }), (frame, at, more) => {
      assert.throws(() => assertMessagePack(frame.subarray(0, at % frame.length)), MessagePackError);
      assert.throws(() => assertMessagePack(Buffer.concat([frame, more])), MessagePackError);
    }),
  );
});

test("random bytes are refused with a MessagePackError, or can be decoded", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check), { numRuns: 5000 });
});

test("corrupted frames are refused with a MessagePackError, or can be decoded", () => {
  fc.assert(
    fc.property(smallFrame, fc.array(edit, { minLength: 1, maxLength: 4 }), (frame, edits) =>
      check(edits.reduce(mutate, frame)),
    ),
    { numRuns: 5000 },
  );
});

test("hostile pieces, in sequence and nested, are refused or can be decoded", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 6 }), (pieces) =>
      check(Buffer.concat(pieces)),
    ),
    { numRuns: 2000 },
  );
});

test("a single piece of each kind is handled as the format specifies", () => {
  const refused = (hex: string, message: RegExp): void => {
    assert.throws(
      () => decodeMessagePack(bytes(hex)),
      (error: unknown) => {
        assert.ok(error instanceof MessagePackError);
        assert.match(error.message, message);
        return true;
      },
    );
  };
  refused("", /cut short/);
  for (const hex of [
    "dd ffffffff",
    "df ffffffff",
    "db ffffffff",
    "c6 ffffffff",
    "c9 ffffffff ff",
    "df 80000000",
  ]) {
    refused(hex, /cut short/);
  }
  refused("c1", /0xc1 is never used/);
  refused("81 01 02", /key is not a string/);
  refused("82 a1 61 01 c2 01", /key is not a string/);
  refused("81 c4 01 61 c0", /key is not a string/);
  refused("d4 01 00", /extension types/);
  refused("c7 03 01 000000", /extension types/);
  refused("d5 ff 0000", /extension types/); // a timestamp of an undefined length
  refused("01 02", /bytes after/);
  refused("81 a9 5f5f70726f746f5f5f c0", /__proto__/);
  assert.deepEqual(decodeMessagePack(bytes("d6 ff 00000001")), new Date(1000));
  assert.deepEqual(decodeMessagePack(bytes("81 d9 01 61 90")), { a: [] });
  assert.deepEqual(decodeMessagePack(bytes("82 a1 61 80 a1 62 81 a1 63 01")), { a: {}, b: { c: 1 } });
});

test("nesting has a maximum depth, in arrays and maps, when decoding and encoding", () => {
  const nested = (depth: number, open: string): Buffer => bytes(`${open.repeat(depth)} c0`);
  for (const open of ["91", "81 a1 61"]) {
    const deepest = decodeMessagePack(nested(MAX_FRAME_DEPTH, open));
    assert.deepEqual(Buffer.from(encodeMessagePack(deepest)), nested(MAX_FRAME_DEPTH, open));
    assert.throws(() => decodeMessagePack(nested(MAX_FRAME_DEPTH + 1, open)), /nested too deeply/);
    assert.throws(() => decodeMessagePack(nested(1_000_000, open)), /nested too deeply/);
  }
});

test("a hostile frame of 8 MiB is scanned in linear time and without extra memory", () => {
  const size = 8 * 1024 * 1024;
  const arrays = Buffer.alloc(size, 0x91);
  const frames: readonly Buffer[] = [
    Buffer.alloc(size, 0xdd), // nested arrays that each claim 3.7 billion items
    ...[lengthOf(0xdd, size), lengthOf(0xdf, size / 2), lengthOf(0xc6, size)].map((head) => {
      const frame = Buffer.alloc(size, 0x90);
      frame.set(head);
      return frame;
    }),
    arrays,
    Buffer.concat([lengthOf(0xdd, size - 5), Buffer.alloc(size - 5, 0xc0)]),
  ];
  for (const frame of frames) {
    globalThis.gc?.();
    const before = process.memoryUsage();
    const started = process.cpuUsage();
    try {
      assertMessagePack(frame);
    } catch (error) {
      assert.ok(error instanceof MessagePackError);
    }
    const { user, system } = process.cpuUsage(started);
    const after = process.memoryUsage();
    assert.ok(user + system < 1_500_000, `${user + system} µs for ${frame.subarray(0, 6).toString("hex")}`);
    const grown = after.heapUsed + after.external - before.heapUsed - before.external;
    assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes for ${frame.subarray(0, 6).toString("hex")}`);
  }
});

test("nested arrays that each claim all the remaining bytes never reach the decoder, which would allocate each", () => {
  const levels = Array.from({ length: MAX_FRAME_DEPTH - 1 }, (_, level) =>
    lengthOf(0xdd, 1_000_000 - level * 5),
  );
  const frame = Buffer.concat([...levels, Buffer.alloc(1_100_000, 0xc0)]);
  assert.throws(() => decodeMessagePack(frame), MessagePackError);
});

function check(frame: Uint8Array): void {
  try {
    assertMessagePack(frame);
  } catch (error) {
    assert.ok(error instanceof MessagePackError, String(error));
    return;
  }
  try {
    decodeMessagePack(frame);
  } catch (error) {
    assert.ok(error instanceof MessagePackError, String(error));
    assert.match(error.message, /__proto__/); // only the decoder can find this
  }
}

function mutate(frame: Uint8Array, { at, drop, insert }: Edit): Uint8Array {
  const offset = at % (frame.length + 1);
  return Buffer.concat([frame.subarray(0, offset), insert, frame.subarray(offset + drop)]);
}

function lengthOf(format: number, length: number): Buffer {
  const head = Buffer.alloc(5, format);
  head.writeUInt32BE(length, 1);
  return head;
}

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(" ", ""), "hex");
}

/** A string of the given number of bytes, with non-ASCII characters. */
function text(bytes: number): string {
  return bytes < 2 ? "x".repeat(bytes) : `é${"x".repeat(bytes - 2)}`;
}
