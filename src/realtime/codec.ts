import type { RouteSignature } from "../routes/signature.ts";
import type { Frame } from "./connection.ts";
import { MessagePackError } from "./msgpack-scan.ts";
import { decodeMessagePack, encodeMessagePack } from "./msgpack.ts";

/** Between frames and values. */
export interface Codec {
  /** Text for a text frame, bytes for a binary one. */
  encode(message: unknown): Frame;
  /** @throws any error for a frame that can't be read. */
  decode(frame: Frame): unknown;
}

/** The codec of a realtime route: its own, or its content type's. */
export function createCodec(
  route: Pick<RouteSignature, "contentType" | "encodeMessage" | "decodeMessage">,
): Codec {
  const { encodeMessage, decodeMessage, contentType } = route;
  if (encodeMessage !== undefined && decodeMessage !== undefined) {
    return { encode: encodeMessage, decode: decodeMessage };
  }
  return contentType === "application/json" ? JSON_CODEC : MESSAGE_PACK_CODEC;
}

const MESSAGE_PACK_CODEC: Codec = {
  encode: encodeMessagePack,
  decode(frame) {
    if (typeof frame === "string")
      throw new MessagePackError("text frames are not taken here, send MessagePack");
    return decodeMessagePack(frame);
  },
};

const JSON_CODEC: Codec = {
  encode: (message) => JSON.stringify(message),
  decode: (frame) => JSON.parse(typeof frame === "string" ? frame : textOf(frame)) as unknown,
};

const UTF8 = new TextDecoder("utf-8", { fatal: true });

function textOf(frame: Uint8Array): string {
  try {
    return UTF8.decode(frame);
  } catch {
    throw new SyntaxError("the text is not UTF-8");
  }
}
