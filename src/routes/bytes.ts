import type { Readable } from "node:stream";
import type { TUnsafe } from "typebox";
import { DefinitionError } from "../errors.ts";
import { resolveContentTypes } from "./content-types.ts";
import { omitUndefined } from "../settings/defined-fields.ts";

/** The keyword that marks a schema of bytes for the validator. JSON Schema has no type for bytes. */
export const BYTES = "x-servable-bytes";

/** Limits of the number of bytes. */
export interface BytesLimits {
  /** Minimum number of bytes. Default 0. */
  minBytes?: number;
  /** Maximum number of bytes. Default: only limited by the size of the body or frame. */
  maxBytes?: number;
}

/** The value of the keyword {@link BYTES}. */
export interface BytesRule extends BytesLimits {
  /** In lower case; absent: any type. */
  contentTypes?: readonly string[];
  /** Whether the handler gets a stream instead of a `Uint8Array`. */
  isStream?: true;
}

/** The rule of a schema that is itself one of bytes; undefined for any other schema. */
export function bytesRuleOf(schema: object | undefined): BytesRule | undefined {
  return (schema as { [BYTES]?: BytesRule } | undefined)?.[BYTES];
}

/** The options of {@link bytes}: limits, and text for the docs. */
export interface BytesOptions extends BytesLimits {
  /**
   * The content type of a body or an answer: `"image/png"`, or for a body also `"image/*"` and lists of types. Default:
   * any for a body, `application/octet-stream` for an answer.
   */
  contentType?: string | readonly string[];
  title?: string;
  description?: string;
}

/** The options of {@link bytes} for a body that the handler reads while it arrives. */
export interface BytesStreamOptions extends BytesOptions {
  /** Passes a `Readable` to the handler, which is called before the body has arrived. Only for bodies. */
  stream: true;
}

/**
 * The schema of a `Uint8Array`, such as an image or a piece of audio: as the `input` of an endpoint, its whole body; in
 * realtime sessions with a codec that carries bytes, such as MessagePack, also a field. JSON cannot carry bytes. In
 * OpenAPI documents it is a `string` with the format `binary`.
 *
 * @example
 * ```ts
 * const Frame = Type.Object({ image: bytes({ maxBytes: 1_000_000 }), seed: Type.Integer() });
 * type Frame = Static<typeof Frame>; // { image: Uint8Array; seed: number }
 * ```
 * @throws DefinitionError for invalid limits or content types.
 */
export function bytes(options: BytesStreamOptions): TUnsafe<Readable>;
export function bytes(options?: BytesOptions): TUnsafe<Uint8Array>;
export function bytes(
  options: BytesOptions & { stream?: boolean } = {},
): TUnsafe<Uint8Array> | TUnsafe<Readable> {
  const { minBytes, maxBytes, contentType, stream, ...notes } = options;
  assertByteLimits("bytes()", minBytes, maxBytes);
  const contentTypes = resolveContentTypes("bytes(): contentType", contentType);
  if (stream !== undefined && typeof stream !== "boolean") {
    throw new DefinitionError("SCHEMA_INVALID", `bytes(): stream must be a boolean, got ${String(stream)}.`);
  }
  const rule: BytesRule = omitUndefined({
    minBytes,
    maxBytes,
    contentTypes,
    isStream: stream === true ? true : undefined,
  });
  const schema = {
    ...notes,
    type: "string",
    format: "binary",
    contentMediaType: contentTypes?.find((type) => !type.includes("*")) ?? "application/octet-stream",
    [BYTES]: rule,
  };
  return schema as unknown as TUnsafe<Uint8Array>; // the schema is plain JSON; its type is a promise of the reader
}

/** @throws DefinitionError for limits that are not whole numbers, or contradict each other */
export function assertByteLimits(where: string, minBytes: unknown, maxBytes: unknown): void {
  for (const limit of [minBytes, maxBytes]) {
    if (limit === undefined || (Number.isSafeInteger(limit) && (limit as number) >= 0)) continue;
    throw new DefinitionError(
      "SCHEMA_INVALID",
      `${where}: a limit must be a whole number of at least 0, got ${String(limit)}.`,
    );
  }
  if (minBytes !== undefined && maxBytes !== undefined && (minBytes as number) > (maxBytes as number)) {
    throw new DefinitionError(
      "SCHEMA_INVALID",
      `${where}: minBytes (${String(minBytes)}) is above maxBytes (${String(maxBytes)}).`,
    );
  }
}
