import { Decoder, Encoder } from "@msgpack/msgpack";
import type { ValueLimits } from "../json/scan.ts";

/** A frame that is no MessagePack this package takes. */
export class MessagePackError extends Error {
  override readonly name = "MessagePackError";
}

/** Deeper nesting can't be allowed: code that walks the value by recursion would run out of stack. */
export const MAX_FRAME_DEPTH = 512;

/** What a frame may hold unless somebody sets a limit. */
export const LOOSE_LIMITS: ValueLimits = { maxDepth: MAX_FRAME_DEPTH, maxValues: Infinity };

const encoder = new Encoder({ ignoreUndefined: true, maxDepth: MAX_FRAME_DEPTH + 1 }); // it counts single values, too
const decoder = new Decoder();

/** One value as MessagePack: objects as maps with text keys, bytes as bytes, dates as timestamps. */
export function encodeMessagePack(value: unknown): Uint8Array {
  return Buffer.from(encoder.encodeSharedRef(value)); // copied into a pool: cheaper than a buffer of its own
}

/**
 * Reads one MessagePack value. The frame is scanned first: the decoder itself believes whatever lengths it is told.
 * @param admit told how many values it holds, before any is built; what it throws refuses the frame
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
    return decoder.decode(frame);
  } catch (error) {
    // What is left is the key __proto__, which has more than one spelling in bytes.
    throw new MessagePackError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** What follows the first byte of a MessagePack value. Format: github.com/msgpack/msgpack, spec.md. */
const Kind = {
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
const KINDS = new Uint8Array(256);
/** By first byte: how much of it follows, where the first byte alone says so. */
const COUNTS = new Uint8Array(256);
/** By first byte: the length of the number that says how much follows, where there is one. */
const LENGTH_BYTES = new Uint8Array(256);

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

const TIMESTAMP = 0xff; // -1 as a byte
const UINT_64 = 0xcf;
const INT_64 = 0xd3;

/**
 * Checks a frame without building anything: it holds exactly one value, no length goes beyond the frame, keys are
 * texts, timestamps are the only extension, no integer would lose digits, and nesting and the number of values are
 * bounded.
 * @returns how many values it holds: lists, maps, keys and single values together
 * @throws MessagePackError
 */
export function assertMessagePack(
  frame: Uint8Array,
  { maxDepth, maxValues }: ValueLimits = LOOSE_LIMITS,
): number {
  const end = frame.byteLength;
  // Values that are still to come, level by level; a map counts its keys and values.
  const left: number[] = [];
  const isMap: boolean[] = [];
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
        throw new MessagePackError("a map's key is no text");
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
    if (count > end - at) throw new MessagePackError(CUT_SHORT); // each value takes a byte at least

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
        throw new MessagePackError("extension types other than timestamps are not taken");
      }
      at += count;
    }
    while (top >= 0 && left[top] === 0) top--;
  } while (top >= 0);
  if (at < end) throw new MessagePackError("there are bytes after the message");
  return values;
}

/** What is said of a message that holds too much, in whatever form. */
export const TOO_DEEPLY = "the message is nested too deeply";
export const TOO_MANY_VALUES = "the message holds too many values";

const CUT_SHORT = "the message is cut short";

function isTimestamp(type: number, bytes: number): boolean {
  return type === TIMESTAMP && (bytes === 4 || bytes === 8 || bytes === 12);
}

/** @param at where its eight bytes begin; they are known to be there */
function assertExact(frame: Uint8Array, at: number, isSigned: boolean): void {
  const view = new DataView(frame.buffer, frame.byteOffset + at, 8);
  const value = isSigned ? view.getBigInt64(0) : view.getBigUint64(0);
  if (BigInt(Number(value)) === value) return;
  throw new MessagePackError(`the integer ${value} has more digits than can be kept, send it as a text`);
}
