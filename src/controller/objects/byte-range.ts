/** A part of a content. */
export interface ByteRange {
  /** Position of the first byte. */
  readonly start: number;
  /** Position of the last byte. */
  readonly end: number;
}

/**
 * The part that a `Range` header asks for (RFC 9110).
 * @returns undefined for the whole content: a header that can't be read or has several ranges may be ignored.
 * "unsatisfiable" if the content ends before the range
 */
export function parseRange(
  header: string | undefined,
  size: number,
): ByteRange | "unsatisfiable" | undefined {
  const [, first = "", last = ""] = /^bytes= *(\d{0,15})-(\d{0,15}) *$/i.exec(header ?? "") ?? [];
  if (first === "" && last === "") return undefined;
  if (first === "") {
    const length = Number(last);
    if (length === 0) return "unsatisfiable";
    return size === 0 ? undefined : { start: Math.max(0, size - length), end: size - 1 };
  }
  const start = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== "" && Number(last) < start) return undefined; // not a valid range
  return start >= size ? "unsatisfiable" : { start, end };
}
