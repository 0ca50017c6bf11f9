/** How much a JSON text or MessagePack frame may hold. */
export interface ValueLimits {
  /** Levels of lists and objects. */
  readonly maxDepth: number;
  /** Lists, objects, keys and single values together: each takes memory of its own once it is parsed. */
  readonly maxValues: number;
}

/** What a value may take in memory beside its text, in bytes: an empty object with its place in a list. */
export const BYTES_PER_VALUE = 64;

/** What {@link scanJson} gives for a text that is nested too deeply. */
export const TOO_DEEP = -1;
/** What it gives for one with too many values. */
export const TOO_MANY = -2;

/** More of a text in a row is left to the engine's own search, which costs as much as looking at so many bytes. */
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
 * Counts what a JSON text holds without building any of it: the number of its values, {@link TOO_DEEP} or
 * {@link TOO_MANY}. What the number is for a text that is no JSON does not matter: it is refused when it is parsed.
 */
export function scanJson(bytes: Uint8Array, { maxDepth, maxValues }: ValueLimits): number {
  const end = bytes.length;
  let depth = 0;
  let values = 1;
  let at = 0;
  /** The last byte that was no space opened a list or an object. */
  let isOpened = false;
  while (at < end) {
    const kind = KINDS[bytes[at++] as number];
    switch (kind) {
      case Kind.space:
        continue;
      case Kind.open:
        if (++depth > maxDepth) return TOO_DEEP;
        if (++values > maxValues + 1) return TOO_MANY; // one more for the first item, which may not come
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

/** The place after the quote that ends a string; the end of the text where none does. */
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

/** A text of n bytes nests n / 2 deep at most and holds no more than (n + 1) / 2 values: small ones need no look. */
export function unscannedBytes({ maxDepth, maxValues }: ValueLimits): number {
  return 2 * Math.min(maxDepth, maxValues) - 1;
}
