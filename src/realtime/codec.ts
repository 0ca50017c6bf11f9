import type { RouteSignature } from "../routes/signature.ts";
import { assertExactNumbers } from "../json/exact-numbers.ts";
import type { Frame } from "./connection.ts";
import { scanJson, TOO_DEEP, TOO_MANY, unscannedBytes, type ValueLimits } from "../json/scan.ts";
import {
  LOOSE_LIMITS,
  MessagePackError,
  TOO_DEEPLY,
  TOO_MANY_VALUES,
  decodeMessagePack,
  encodeMessagePack,
} from "./msgpack.ts";

/** Converts between frames and values. */
export interface Codec {
  /** Text for a text frame, bytes for a binary one. */
  encode(message: unknown): Frame;
  /**
   * @param admit called with the number of values in a frame before any is built, except for small frames. If it throws,
   *   the frame is rejected. Custom codecs do not call it.
   * @throws any error for a frame that cannot be read.
   */
  decode(frame: Frame, admit?: (values: number) => void): unknown;
}

/**
 * Creates the codec of a realtime route: its custom one, or that of its content type.
 * @param limits of the values in a frame. Custom codecs have to limit them themselves
 */
export function createCodec(
  route: Pick<RouteSignature, "contentType" | "encodeMessage" | "decodeMessage">,
  limits: ValueLimits = LOOSE_LIMITS,
): Codec {
  const { encodeMessage, decodeMessage, contentType } = route;
  if (encodeMessage !== undefined && decodeMessage !== undefined) {
    return { encode: encodeMessage, decode: (frame) => decodeMessage(frame) };
  }
  return contentType === "application/json" ? jsonCodec(limits) : messagePackCodec(limits);
}

function messagePackCodec(limits: ValueLimits): Codec {
  return {
    encode: encodeMessagePack,
    decode(frame, admit) {
      if (typeof frame === "string")
        throw new MessagePackError("text frames are not accepted here, send MessagePack");
      return decodeMessagePack(frame, limits, admit);
    },
  };
}

function jsonCodec(limits: ValueLimits): Codec {
  const unscanned = unscannedBytes(limits);
  return {
    encode: (message) => JSON.stringify(message),
    decode(frame, admit) {
      if (frame.length > unscanned) {
        const values = scanJson(typeof frame === "string" ? Buffer.from(frame) : frame, limits);
        if (values === TOO_DEEP) throw new SyntaxError(TOO_DEEPLY);
        if (values === TOO_MANY) throw new SyntaxError(TOO_MANY_VALUES);
        admit?.(values);
      }
      const text = typeof frame === "string" ? frame : textOf(frame);
      const message: unknown = JSON.parse(text);
      assertExactNumbers(text);
      return message;
    },
  };
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

function textOf(frame: Uint8Array): string {
  try {
    return UTF8.decode(frame);
  } catch {
    throw new SyntaxError("the text is not UTF-8");
  }
}
