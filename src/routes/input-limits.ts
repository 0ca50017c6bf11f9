import { DefinitionError } from "../errors.ts";
import { assertFits, wholeNumber } from "../settings/check.ts";
import { DEEPEST } from "../settings/server-options.ts";

/** Limits of the values in one input, checked before any of them is built. */
export interface ValueLimitOptions {
  /** Maximum nesting of arrays and objects, up to 512. Default: the server's limit, 256. */
  maxDepth?: number;
  /** Maximum number of arrays, objects, keys and other values together. Default: the server's limit, 1,000,000. */
  maxValues?: number;
}

/** Limits of a request body. */
export interface BodyLimitOptions extends ValueLimitOptions {
  /** Maximum size of a body, in bytes. Larger ones are rejected with 413. Default: the server's limit, 50 MiB. */
  bodyLimitBytes?: number;
}

/** Limits of a websocket message. */
export interface FrameLimitOptions {
  /**
   * Maximum size of a message, in bytes. Larger ones close the connection with 1009. Default: the server's limit, 16
   * MiB.
   */
  maxFrameBytes?: number;
}

/** The limits of a route. The server's limit applies where a field is undefined. */
export interface InputLimits {
  readonly maxDepth: number | undefined;
  readonly maxValues: number | undefined;
  /** Of a body, or of a websocket message. */
  readonly maxBytes: number | undefined;
}

export const BODY_LIMIT_NAMES = ["bodyLimitBytes", "maxDepth", "maxValues"] as const;
export const FRAME_LIMIT_NAMES = ["maxFrameBytes", "maxDepth", "maxValues"] as const;

/**
 * Checks the limits of a route.
 * @param where the decorator and the method, for messages
 * @returns undefined if the route sets none
 * @throws DefinitionError
 */
export function resolveInputLimits(
  where: string,
  options: BodyLimitOptions & FrameLimitOptions,
): InputLimits | undefined {
  for (const [name, check] of Object.entries(CHECKS)) {
    const value: unknown = options[name as keyof typeof CHECKS];
    if (value === undefined) continue;
    assertFits(name, value, check, (message) => {
      throw new DefinitionError("ROUTE_OPTION_INVALID", `${where}: ${message}`);
    });
  }
  const { maxDepth, maxValues, bodyLimitBytes, maxFrameBytes } = options;
  const maxBytes = bodyLimitBytes ?? maxFrameBytes;
  if (maxDepth === undefined && maxValues === undefined && maxBytes === undefined) return undefined;
  return { maxDepth, maxValues, maxBytes };
}

const CHECKS = {
  maxDepth: wholeNumber(1, DEEPEST),
  maxValues: wholeNumber(1),
  bodyLimitBytes: wholeNumber(1),
  maxFrameBytes: wholeNumber(1, 2 ** 31 - 1),
} as const;
