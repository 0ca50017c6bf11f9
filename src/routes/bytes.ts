import type { TUnsafe } from "typebox";
import { DefinitionError } from "../errors.ts";

/** The keyword by which the validator knows a schema of bytes. JSON Schema has no type for them. */
export const BYTES = "x-servable-bytes";

/** How many bytes there may be. */
export interface BytesLimits {
  /** At least so many bytes. Default 0. */
  minBytes?: number;
  /** At most so many bytes. Default: no limit but the frame's. */
  maxBytes?: number;
}

/** What {@link bytes} takes: limits, and words for the docs. */
export interface BytesOptions extends BytesLimits {
  title?: string;
  description?: string;
}

/**
 * The schema of a `Uint8Array`: an image, a piece of sound. For frames of realtime sessions, whose codec can carry
 * bytes, as MessagePack does; JSON can't. In documents it is a `string` of the format `binary`.
 *
 * @example
 * ```ts
 * const Frame = Type.Object({ image: bytes({ maxBytes: 1_000_000 }), seed: Type.Integer() });
 * type Frame = Static<typeof Frame>; // { image: Uint8Array; seed: number }
 * ```
 * @throws DefinitionError for limits that make no sense.
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
  const limits: BytesLimits = {
    ...(minBytes === undefined ? {} : { minBytes }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  };
  const schema = {
    ...notes,
    type: "string",
    format: "binary",
    contentMediaType: "application/octet-stream",
    [BYTES]: limits,
  };
  return schema as unknown as TUnsafe<Uint8Array>;
}
