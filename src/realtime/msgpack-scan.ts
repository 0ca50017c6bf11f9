import type { ValueLimits } from "../json-scan.ts";
import { COUNTS, KINDS, LENGTH_BYTES, Kind } from "./msgpack-formats.ts";

/** A frame that is no MessagePack this package takes. */
export class MessagePackError extends Error {
  override readonly name = "MessagePackError";
}

/** Deeper nesting can't be allowed: code that walks the value by recursion would run out of stack. */
export const MAX_FRAME_DEPTH = 512;

/** What a frame may hold unless somebody sets a limit. */
export const LOOSE_LIMITS: ValueLimits = { maxDepth: MAX_FRAME_DEPTH, maxValues: Infinity };

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
