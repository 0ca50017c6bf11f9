import type { TUnsafe } from "typebox";
import { DefinitionError } from "../errors.ts";
import { omitUndefined } from "../settings/defined-fields.ts";

/** The keyword that marks a schema of bytes for the validator. JSON Schema has no type for bytes. */
export const BYTES = "x-servable-bytes";

/** Limits of the number of bytes. */
export interface BytesLimits {
  /** Minimum number of bytes. Default 0. */
  minBytes?: number;
  /** Maximum number of bytes. Default: only limited by the size of the frame. */
  maxBytes?: number;
}

/** The options of {@link bytes}: limits, and text for the docs. */
export interface BytesOptions extends BytesLimits {
  title?: string;
  description?: string;
}

/**
 * The schema of a `Uint8Array`, such as an image or a piece of audio. For realtime sessions with a codec that carries
 * bytes, such as MessagePack; JSON cannot. In OpenAPI documents it is a `string` with the format `binary`.
 *
 * @example
 * ```ts
 * const Frame = Type.Object({ image: bytes({ maxBytes: 1_000_000 }), seed: Type.Integer() });
 * type Frame = Static<typeof Frame>; // { image: Uint8Array; seed: number }
 * ```
 * @throws DefinitionError for invalid limits.
 */
export function bytes(options: BytesOptions = {}): TUnsafe<Uint8Array> {
  const { minBytes, maxBytes, ...notes } = options;
  for (const limit of [minBytes, maxBytes]) {
    if (limit === undefined || (Number.isSafeInteger(limit) && limit >= 0)) continue;
    throw new DefinitionError(
      "SCHEMA_INVALID",
      `bytes(): a limit must be a whole number of at least 0, got ${String(limit)}.`,
    );
  }
  if (minBytes !== undefined && maxBytes !== undefined && minBytes > maxBytes) {
    throw new DefinitionError(
      "SCHEMA_INVALID",
      `bytes(): minBytes (${minBytes}) is above maxBytes (${maxBytes}).`,
    );
  }
  const limits: BytesLimits = omitUndefined({ minBytes, maxBytes });
  const schema = {
    ...notes,
    type: "string",
    format: "binary",
    contentMediaType: "application/octet-stream",
    [BYTES]: limits,
  };
  return schema as unknown as TUnsafe<Uint8Array>;
}
