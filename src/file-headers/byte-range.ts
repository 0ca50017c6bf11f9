/** A part of a file. */
export interface ByteRange {
  readonly start: number;
  readonly length: number;
}

const RANGE = /^bytes=[ \t]*(?:(\d+)-(\d*)|-(\d+))[ \t]*$/i;

/**
 * Reads the header `range` for a file of this size.
 * @returns undefined for the whole file: without the header, with another unit, an invalid value or several ranges;
 *   "unsatisfiable" if the range is beyond the end
 */
export function readRange(header: string | undefined, size: number): ByteRange | "unsatisfiable" | undefined {
  const [, first, last, suffix] = RANGE.exec(header ?? "") ?? [];
  if (suffix !== undefined) {
    const length = Math.min(Number(suffix), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, length };
  }
  if (first === undefined) return undefined;
  const start = Number(first);
  const end = last === undefined || last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== undefined && last !== "" && Number(last) < start) return undefined; // invalid, therefore ignored
  return start >= size ? "unsatisfiable" : { start, length: end - start + 1 };
}
