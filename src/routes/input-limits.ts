import { DefinitionError } from "../errors.ts";

/** Deeper nesting can't be allowed: code that walks a value by recursion would run out of stack. */
export const DEEPEST = 512;

/** How much one input may hold; checked before any of it is built. */
export interface ValueLimitOptions {
  /** Levels of lists and objects, up to 512. Default: the server's, 256. */
  maxDepth?: number;
  /** Lists, objects, keys and single values together. Default: the server's, 1,000,000. */
  maxValues?: number;
}

/** How large a body may be. */
export interface BodyLimitOptions extends ValueLimitOptions {
  /** Larger bodies are refused with 413. In bytes. Default: the server's, 50 MiB. */
  bodyLimitBytes?: number;
}

/** How large a websocket's message may be. */
export interface FrameLimitOptions {
  /** Larger messages end the connection with 1009. In bytes. Default: the server's, 16 MiB. */
  maxFrameBytes?: number;
}

/** A route's own limits; what is undefined is the server's. */
export interface InputLimits {
  readonly maxDepth: number | undefined;
  readonly maxValues: number | undefined;
  /** Of a body, or of a websocket's message. */
  readonly maxBytes: number | undefined;
}

export const BODY_LIMIT_NAMES = ["bodyLimitBytes", "maxDepth", "maxValues"] as const;
export const FRAME_LIMIT_NAMES = ["maxFrameBytes", "maxDepth", "maxValues"] as const;

/**
 * Checks a route's own limits.
 * @param where the decorator and the method, for messages
 * @returns undefined where it has none
 * @throws DefinitionError
 */
export function resolveInputLimits(
  where: string,
  options: BodyLimitOptions & FrameLimitOptions,
): InputLimits | undefined {
  for (const [name, [minimum, maximum]] of Object.entries(RANGES)) {
    const value: unknown = options[name as keyof typeof RANGES];
    if (value === undefined || isWhole(value, minimum, maximum)) continue;
    const range = maximum === MOST ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
    throw new DefinitionError(
      "ROUTE_OPTION_INVALID",
      `${where}: ${name} must be a whole number ${range}, got ${String(value)}.`,
    );
  }
  const { maxDepth, maxValues, bodyLimitBytes, maxFrameBytes } = options;
  const maxBytes = bodyLimitBytes ?? maxFrameBytes;
  if (maxDepth === undefined && maxValues === undefined && maxBytes === undefined) return undefined;
  return { maxDepth, maxValues, maxBytes };
}

const MOST = Number.MAX_SAFE_INTEGER;
const RANGES = {
  maxDepth: [1, DEEPEST],
  maxValues: [1, MOST],
  bodyLimitBytes: [1, MOST],
  maxFrameBytes: [1, 2 ** 31 - 1],
} as const;

function isWhole(value: unknown, minimum: number, maximum: number): boolean {
  return Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum;
}
