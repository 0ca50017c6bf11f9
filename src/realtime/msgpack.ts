import { Decoder, Encoder } from "@msgpack/msgpack";
import type { ValueLimits } from "../json-scan.ts";
import { assertMessagePack, LOOSE_LIMITS, MAX_FRAME_DEPTH, MessagePackError } from "./msgpack-scan.ts";

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
