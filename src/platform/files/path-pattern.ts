/** Whether a path has wildcards as `COPY` knows them: `*`, `?` or `[…]`. */
export function isPattern(path: string): boolean {
  return /[*?[]/.test(path);
}

/**
 * Whether one name fits one segment of a pattern: `*` is any run of characters, `?` one, `[a-z]` one of some, `[^a-z]`
 * or `[!a-z]` one of the others. A bracket without its end stands for itself; a range that runs backwards fits nothing.
 */
export function segmentFits(segment: string, name: string): boolean {
  const pieces = segment.match(/\*+|\?|\[[!^]?[^\]]+\]|[^]/gu) ?? [];
  try {
    return new RegExp(`^${pieces.map(sourceOf).join("")}$`, "su").test(name);
  } catch {
    return false;
  }
}

function sourceOf(piece: string): string {
  if (piece.startsWith("*")) return ".*";
  if (piece === "?") return ".";
  const [, negation, set] = /^\[([!^]?)(.+)\]$/su.exec(piece) ?? [];
  if (set === undefined) return piece.replace(/[\\^$.+()[\]{}|/]/u, String.raw`\$&`);
  return `[${negation === "" ? "" : "^"}${set.replaceAll(/[\\^[]/g, String.raw`\$&`)}]`;
}
