import type { Frame } from "../../realtime/connection.ts";

/** Maximum length of a short payload. Copying a longer one would cost more than writing it separately. */
const SHORT_LENGTH = 16 * 1024;

/** First byte of a message in one frame: RFC 6455, 5.2. */
const TEXT = 0x81;
const BINARY = 0x82;
/** Maximum length that the second byte holds. */
const ONE_BYTE_LENGTH = 125;
/** The second byte if two bytes with the length follow. */
const TWO_BYTE_LENGTH = 126;

/** Whether {@link wholeFrame} takes a payload. An app's own codec may also return other values that `ws` sends. */
export function isShort(payload: Frame): boolean {
  return (typeof payload === "string" || payload instanceof Uint8Array) && payload.length <= SHORT_LENGTH;
}

/** A message of a server in one buffer, head and payload: `ws` makes two, each with a write of its own. */
export function wholeFrame(payload: Frame): Buffer {
  const isText = typeof payload === "string";
  const length = isText ? Buffer.byteLength(payload) : payload.length;
  const headLength = length > ONE_BYTE_LENGTH ? 4 : 2;
  const bytes = Buffer.allocUnsafe(headLength + length);
  bytes[0] = isText ? TEXT : BINARY;
  if (headLength === 2) bytes[1] = length;
  else {
    bytes[1] = TWO_BYTE_LENGTH;
    bytes.writeUInt16BE(length, 2);
  }
  if (isText) bytes.write(payload, headLength);
  else bytes.set(payload, headLength);
  return bytes;
}
