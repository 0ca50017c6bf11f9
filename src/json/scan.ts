/** Limits of the values in a JSON text or MessagePack frame. */
export interface ValueLimits {
  /** Maximum nesting of arrays and objects. */
  readonly maxDepth: number;
  /** Maximum number of arrays, objects, keys and scalars together: each takes memory when parsed. */
  readonly maxValues: number;
}

/** Memory that a parsed value may take in addition to its text, in bytes: that of an empty object in an array. */
export const BYTES_PER_VALUE = 64;

/** The result of {@link scanJson} for a text that is nested too deeply. */
export const TOO_DEEP = -1;
/** The result of {@link scanJson} for a text with too many values. */
export const TOO_MANY = -2;

/**
 * After this many bytes of a string, `indexOf` searches for its end: a call costs as much as reading this many bytes.
 */
const PLAIN_RUN = 48;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

const Kind = { other: 0, open: 1, close: 2, separator: 3, quote: 4, space: 5 } as const;
const KINDS = new Uint8Array(256);
for (const character of "{[") KINDS[character.charCodeAt(0)] = Kind.open;
for (const character of "}]") KINDS[character.charCodeAt(0)] = Kind.close;
for (const character of ",:") KINDS[character.charCodeAt(0)] = Kind.separator;
for (const character of " \t\n\r") KINDS[character.charCodeAt(0)] = Kind.space;
KINDS[QUOTE] = Kind.quote;

/**
 * Counts the values of a JSON text without building them. Returns their number, {@link TOO_DEEP} or {@link TOO_MANY}.
 * For invalid JSON, the number is arbitrary: parsing rejects the text.
 */
export function scanJson(bytes: Uint8Array, { maxDepth, maxValues }: ValueLimits): number {
  const end = bytes.length;
  let depth = 0;
  let values = 1;
  let at = 0;
  /** Whether the last byte other than whitespace opened an array or an object. */
  let isOpened = false;
  while (at < end) {
    const kind = KINDS[bytes[at++] as number];
    switch (kind) {
      case Kind.space:
        continue;
      case Kind.open:
        if (++depth > maxDepth) return TOO_DEEP;
        if (++values > maxValues + 1) return TOO_MANY; // includes the first item, which may be missing
        isOpened = true;
        continue;
      case Kind.close:
        depth--;
        if (isOpened) values--;
        break;
      case Kind.separator:
        if (++values > maxValues + 1) return TOO_MANY;
        break;
      case Kind.quote:
        at = endOfString(bytes, at);
        break;
    }
    isOpened = false;
  }
  return values > maxValues ? TOO_MANY : values;
}

/** The offset after the closing quote of a string; the end of the text if there is none. */
function endOfString(bytes: Uint8Array, start: number): number {
  const end = bytes.length;
  let at = start;
  for (;;) {
    for (const last = Math.min(end, at + PLAIN_RUN); at < last; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) return at + 1;
      if (byte === BACKSLASH) at++;
    }
    if (at >= end) return end;
    const quote = bytes.indexOf(QUOTE, at);
    if (quote < 0) return end;
    let before = quote;
    while (before > at && bytes[before - 1] === BACKSLASH) before--;
    at = quote + 1;
    if ((quote - before) % 2 === 0) return at;
  }
}

/**
 * Counts the values of a parsed JSON text, as {@link scanJson} counts those of the text. Several times faster than the
 * scan. Returns {@link TOO_DEEP} for a value that is nested more deeply than `maxDepth`.
 */
export function countValues(value: unknown, maxDepth: number): number {
  if (typeof value !== "object" || value === null) return 1;
  if (maxDepth === 0) return TOO_DEEP;
  let values = 1;
  if (Array.isArray(value)) {
    for (const item of value as readonly unknown[]) {
      if (typeof item !== "object" || item === null) {
        values++;
        continue;
      }
      const inner = countValues(item, maxDepth - 1);
      if (inner === TOO_DEEP) return TOO_DEEP;
      values += inner;
    }
    return values;
  }
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key];
    if (typeof item !== "object" || item === null) {
      values += 2;
      continue;
    }
    const inner = countValues(item, maxDepth - 1);
    if (inner === TOO_DEEP) return TOO_DEEP;
    values += 1 + inner;
  }
  return values;
}

/** Size up to which a text cannot hold more than `maxValues` values: n bytes hold at most (n + 1) / 2. */
export function uncountedBytes({ maxValues }: Pick<ValueLimits, "maxValues">): number {
  return 2 * maxValues - 1;
}

/** Size up to which a text cannot exceed the limits: n bytes hold at most n / 2 levels and (n + 1) / 2 values. */
export function unscannedBytes({ maxDepth, maxValues }: ValueLimits): number {
  return uncountedBytes({ maxValues: Math.min(maxDepth, maxValues) });
}
