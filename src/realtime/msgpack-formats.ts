/** What follows the first byte of a MessagePack value. Format: github.com/msgpack/msgpack, spec.md. */
export const Kind = {
  /** So many bytes that need no look: numbers, true, bytes. */
  plain: 0,
  /** So many bytes of text. */
  text: 1,
  /** So many values. */
  array: 2,
  /** So many pairs of values. */
  map: 3,
  /** A type, then so many bytes. */
  extension: 4,
  /** Not in use. */
  never: 5,
} as const;

/** By first byte: what follows. */
export const KINDS = new Uint8Array(256);
/** By first byte: how much of it follows, where the first byte alone says so. */
export const COUNTS = new Uint8Array(256);
/** By first byte: the length of the number that says how much follows, where there is one. */
export const LENGTH_BYTES = new Uint8Array(256);

function define(first: number, kind: number, counts: readonly number[], lengthBytes: number = 0): void {
  counts.forEach((count, index) => {
    KINDS[first + index] = kind;
    COUNTS[first + index] = count;
    LENGTH_BYTES[first + index] = lengthBytes;
  });
}

const upTo = (length: number): number[] => Array.from({ length }, (_, count) => count);

// Small integers, nil, false and true are plain, with nothing that follows: all tables start with zeros.
define(0x80, Kind.map, upTo(16));
define(0x90, Kind.array, upTo(16));
define(0xa0, Kind.text, upTo(32));
define(0xc1, Kind.never, [0]);
define(0xca, Kind.plain, [4, 8]); // floats
define(0xcc, Kind.plain, [1, 2, 4, 8]); // unsigned integers
define(0xd0, Kind.plain, [1, 2, 4, 8]); // signed ones
define(0xd4, Kind.extension, [1, 2, 4, 8, 16]);
for (const [index, lengthBytes] of [1, 2, 4].entries()) {
  define(0xc4 + index, Kind.plain, [0], lengthBytes); // bytes
  define(0xc7 + index, Kind.extension, [0], lengthBytes);
  define(0xd9 + index, Kind.text, [0], lengthBytes);
}
for (const [index, lengthBytes] of [2, 4].entries()) {
  define(0xdc + index, Kind.array, [0], lengthBytes);
  define(0xde + index, Kind.map, [0], lengthBytes);
}
