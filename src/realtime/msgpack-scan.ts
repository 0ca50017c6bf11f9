/** A frame that is no MessagePack this package takes. */
export class MessagePackError extends Error {
  override readonly name = "MessagePackError";
}

/** Deeper nesting is refused: code that walks the value by recursion would run out of stack. */
export const MAX_FRAME_DEPTH = 512;

const TIMESTAMP = -1;
const TIMESTAMP_BYTES: ReadonlySet<number> = new Set([4, 8, 12]);

/**
 * Checks a frame without building anything: it holds exactly one value, no length goes beyond the frame, keys are
 * texts, timestamps are the only extension, and nesting is bounded. Format: github.com/msgpack/msgpack, spec.md.
 */
export function assertMessagePack(frame: Uint8Array): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  // Values that are still to come, level by level; a map counts its keys and values.
  const open: { left: number; isMap: boolean }[] = [];
  let at = 0;

  const need = (bytes: number): void => {
    if (at + bytes > frame.byteLength) throw new MessagePackError("the message is cut short");
  };
  const skip = (bytes: number): void => {
    need(bytes);
    at += bytes;
  };
  const length = (bytes: 1 | 2 | 4): number => {
    need(bytes);
    const value = bytes === 1 ? view.getUint8(at) : bytes === 2 ? view.getUint16(at) : view.getUint32(at);
    at += bytes;
    return value;
  };
  const enter = (values: number, isMap: boolean): void => {
    need(values); // each value takes a byte at least
    if (values === 0) return;
    if (open.length >= MAX_FRAME_DEPTH) throw new MessagePackError("the message is nested too deeply");
    open.push({ left: values, isMap });
  };
  const extension = (bytes: number): void => {
    need(1 + bytes);
    if (view.getInt8(at) !== TIMESTAMP || !TIMESTAMP_BYTES.has(bytes)) {
      throw new MessagePackError("extension types other than timestamps are not taken");
    }
    at += 1 + bytes;
  };

  const isText = (byte: number): boolean => (byte >= 0xa0 && byte <= 0xbf) || (byte >= 0xd9 && byte <= 0xdb);

  do {
    need(1);
    const byte = frame[at++] as number;
    const level = open.at(-1);
    if (level !== undefined) {
      if (level.isMap && level.left % 2 === 0 && !isText(byte))
        throw new MessagePackError("a map's key is no text");
      level.left--;
    }
    if (byte <= 0x7f || byte >= 0xe0) {
      // a small integer
    } else if (byte <= 0x8f) enter((byte & 0x0f) * 2, true);
    else if (byte <= 0x9f) enter(byte & 0x0f, false);
    else if (byte <= 0xbf) skip(byte & 0x1f);
    else {
      switch (byte) {
        case 0xc1:
          throw new MessagePackError("the byte 0xc1 is never used");
        case 0xc4:
        case 0xd9:
          skip(length(1));
          break;
        case 0xc5:
        case 0xda:
          skip(length(2));
          break;
        case 0xc6:
        case 0xdb:
          skip(length(4));
          break;
        case 0xc7:
          extension(length(1));
          break;
        case 0xc8:
          extension(length(2));
          break;
        case 0xc9:
          extension(length(4));
          break;
        case 0xdc:
          enter(length(2), false);
          break;
        case 0xdd:
          enter(length(4), false);
          break;
        case 0xde:
          enter(length(2) * 2, true);
          break;
        case 0xdf:
          enter(length(4) * 2, true);
          break;
        default:
          skipScalar(byte, skip, extension);
      }
    }
    while (open.length > 0 && (open.at(-1) as { left: number }).left === 0) open.pop();
  } while (open.length > 0);
  if (at < frame.byteLength) throw new MessagePackError("there are bytes after the message");
}

/** Bytes after each of the fixed-size formats from 0xc0 on. */
const FIXED: Readonly<Record<number, number>> = {
  ...{ 0xc0: 0, 0xc2: 0, 0xc3: 0 },
  ...{ 0xca: 4, 0xcb: 8, 0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8, 0xd0: 1, 0xd1: 2, 0xd2: 4, 0xd3: 8 },
};

function skipScalar(byte: number, skip: (bytes: number) => void, extension: (bytes: number) => void): void {
  const bytes = FIXED[byte];
  if (bytes === undefined)
    extension(2 ** (byte - 0xd4)); // fixext 1, 2, 4, 8, 16
  else skip(bytes);
}
