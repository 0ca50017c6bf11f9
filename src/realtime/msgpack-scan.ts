import { COUNTS, KINDS, LENGTH_BYTES, Kind } from "./msgpack-formats.ts";

/** A frame that is no MessagePack this package takes. */
export class MessagePackError extends Error {
  override readonly name = "MessagePackError";
}

/** Deeper nesting is refused: code that walks the value by recursion would run out of stack. */
export const MAX_FRAME_DEPTH = 512;

const TIMESTAMP = 0xff; // -1 as a byte

/**
 * Checks a frame without building anything: it holds exactly one value, no length goes beyond the frame, keys are
 * texts, timestamps are the only extension, and nesting is bounded.
 * @throws MessagePackError
 */
export function assertMessagePack(frame: Uint8Array): void {
  const end = frame.byteLength;
  // Values that are still to come, level by level; a map counts its keys and values.
  const left: number[] = [];
  const isMap: boolean[] = [];
  let top = -1;
  let at = 0;
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
      if (count > 0) {
        if (++top >= MAX_FRAME_DEPTH) throw new MessagePackError("the message is nested too deeply");
        left[top] = count;
        isMap[top] = kind === Kind.map;
      }
    } else {
      if (kind === Kind.extension && !isTimestamp(frame[at] as number, count - 1)) {
        throw new MessagePackError("extension types other than timestamps are not taken");
      }
      at += count;
    }
    while (top >= 0 && left[top] === 0) top--;
  } while (top >= 0);
  if (at < end) throw new MessagePackError("there are bytes after the message");
}

const CUT_SHORT = "the message is cut short";

function isTimestamp(type: number, bytes: number): boolean {
  return type === TIMESTAMP && (bytes === 4 || bytes === 8 || bytes === 12);
}
