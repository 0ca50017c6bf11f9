import { Decoder, Encoder } from "@msgpack/msgpack";
import { assertMessagePack } from "./msgpack-scan.ts";

const encoder = new Encoder({ ignoreUndefined: true });
const decoder = new Decoder();

/** One value as MessagePack: objects as maps with text keys, bytes as bytes, dates as timestamps. */
export function encodeMessagePack(value: unknown): Uint8Array {
  return encoder.encode(value);
}

/**
 * Reads one MessagePack value. The frame is scanned first: the decoder itself believes whatever lengths it is told.
 * @throws MessagePackError
 */
export function decodeMessagePack(frame: Uint8Array): unknown {
  assertMessagePack(frame);
  return decoder.decode(frame);
}
