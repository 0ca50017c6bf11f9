import type { ValueLimits } from "../json/scan.ts";
import { MessagePackReader } from "./msgpack-reader.ts";
import { MessagePackWriter } from "./msgpack-writer.ts";

/** A frame is not valid MessagePack, or holds types that are not supported. */
export class MessagePackError extends Error {
  override readonly name = "MessagePackError";
}

/** Maximum depth. Code that walks a value recursively would overflow the stack with deeper values. */
export const MAX_FRAME_DEPTH = 512;

/** Default limits of a frame. */
export const LOOSE_LIMITS: ValueLimits = { maxDepth: MAX_FRAME_DEPTH, maxValues: Infinity };

const writer = new MessagePackWriter(MAX_FRAME_DEPTH);
const reader = new MessagePackReader();

/**
 * Encodes a value: objects as maps with string keys, bytes as bytes, dates as timestamps.
 * @throws Error for a value that is nested too deeply, and for functions, symbols and bigints
 */
export function encodeMessagePack(value: unknown): Uint8Array {
  return writer.write(value);
}

/**
 * Decodes one MessagePack value. The frame is scanned first, since the reader trusts the lengths in it.
 * @param admit called with the number of values before any is built. If it throws, the frame is rejected
 * @throws MessagePackError
 */
export function decodeMessagePack(
  frame: Uint8Array,
  limits: ValueLimits = LOOSE_LIMITS,
  admit?: (values: number) => void,
): unknown {
  const values = assertMessagePack(frame, limits);
  admit?.(values);
  try {
    return reader.read(frame);
  } catch (error) {
    // The remaining case is the key __proto__, which has several encodings.
    throw new MessagePackError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** The kind of a MessagePack value, by its first byte. Format: github.com/msgpack/msgpack, spec.md. */
const Kind = {
  /** Bytes without structure: numbers, booleans, binary data. */
  plain: 0,
  /** Bytes of a string. */
  text: 1,
  /** Values. */
  array: 2,
  /** Pairs of values. */
  map: 3,
  /** A type byte, then bytes. */
  extension: 4,
  /** Not used by the format. */
  never: 5,
} as const;

/** Kind by first byte. */
const KINDS = new Uint8Array(256);
/** Count of bytes or values by first byte, if the first byte defines it. */
const COUNTS = new Uint8Array(256);
/** Length of the count that follows, by first byte; 0 if there is none. */
const LENGTH_BYTES = new Uint8Array(256);

function define(first: number, kind: number, counts: readonly number[], lengthBytes: number = 0): void {
  counts.forEach((count, index) => {
    KINDS[first + index] = kind;
    COUNTS[first + index] = count;
    LENGTH_BYTES[first + index] = lengthBytes;
  });
}

const upTo = (length: number): number[] => Array.from({ length }, (_, count) => count);

// Small integers, nil, false and true are plain with a count of 0, which is the initial value of all tables.
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

const TIMESTAMP = 0xff; // -1 as a byte
const UINT_64 = 0xcf;
const INT_64 = 0xd3;

// State of the scan, kept for the next frame since arrays that grow cost more than the scan of a short frame.
/** Remaining values at each level; a map counts its keys and its values. */
const left: number[] = [];
const isMap: boolean[] = [];

/**
 * Checks a frame without building values. It must hold exactly one value; lengths must stay within the frame; keys must
 * be strings; timestamps are the only extension; integers must be exact as doubles; depth and number of values are
 * limited.
 * @returns the number of values: arrays, maps, keys and scalars together
 * @throws MessagePackError
 */
export function assertMessagePack(
  frame: Uint8Array,
  { maxDepth, maxValues }: ValueLimits = LOOSE_LIMITS,
): number {
  const end = frame.byteLength;
  let top = -1;
  let at = 0;
  let values = 1;
  do {
    if (at >= end) throw new MessagePackError(CUT_SHORT);
    const byte = frame[at++] as number;
    const kind = KINDS[byte];
    if (top >= 0) {
      const values = left[top] as number;
      if (isMap[top] === true && values % 2 === 0 && kind !== Kind.text) {
        throw new MessagePackError("a map's key is not a string");
      }
      left[top] = values - 1;
    }

    let count = COUNTS[byte] as number;
    const lengthBytes = LENGTH_BYTES[byte] as number;
    if (lengthBytes > 0) {
      if (lengthBytes > end - at) throw new MessagePackError(CUT_SHORT);
      for (const last = at + lengthBytes; at < last; at++) count = count * 256 + (frame[at] as number);
    }
    if (kind === Kind.map) count *= 2;
    else if (kind === Kind.extension)
      count += 1; // its type
    else if (kind === Kind.never) throw new MessagePackError("the byte 0xc1 is never used");
    if (count > end - at) throw new MessagePackError(CUT_SHORT); // each value takes at least one byte

    if (kind === Kind.array || kind === Kind.map) {
      values += count;
      if (values > maxValues) throw new MessagePackError(TOO_MANY_VALUES);
      if (top + 1 >= maxDepth) throw new MessagePackError(TOO_DEEPLY);
      if (count > 0) {
        left[++top] = count;
        isMap[top] = kind === Kind.map;
      }
    } else {
      if (byte === UINT_64 || byte === INT_64) assertExact(frame, at, byte === INT_64);
      if (kind === Kind.extension && !isTimestamp(frame[at] as number, count - 1)) {
        throw new MessagePackError("extension types other than timestamps are not accepted");
      }
      at += count;
    }
    while (top >= 0 && left[top] === 0) top--;
  } while (top >= 0);
  if (at < end) throw new MessagePackError("there are bytes after the message");
  return values;
}

/** Errors of messages that exceed a limit, in all formats. */
export const TOO_DEEPLY = "the message is nested too deeply";
export const TOO_MANY_VALUES = "the message holds too many values";

const CUT_SHORT = "the message is cut short";

function isTimestamp(type: number, bytes: number): boolean {
  return type === TIMESTAMP && (bytes === 4 || bytes === 8 || bytes === 12);
}

/** @param at offset of its eight bytes, which are within the frame */
function assertExact(frame: Uint8Array, at: number, isSigned: boolean): void {
  const view = new DataView(frame.buffer, frame.byteOffset + at, 8);
  const value = isSigned ? view.getBigInt64(0) : view.getBigUint64(0);
  if (BigInt(Number(value)) === value) return;
  throw new MessagePackError(`the integer ${value} has more digits than a double keeps, send it as a string`);
}
