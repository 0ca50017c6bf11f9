/** Whether a path has wildcards as `COPY` knows them: `*`, `?` or `[…]`. */
export function isPattern(path: string): boolean {
  return /[*?[]/.test(path);
}

/**
 * Whether one name fits one segment of a pattern: `*` is any run of characters, `?` one, `[a-z]` one of some, `[^a-z]`
 * or `[!a-z]` one of the others. A bracket without its end stands for itself.
 */
export function segmentFits(segment: string, name: string): boolean {
  const source = segment.replaceAll(/\*+|\?|\[([\^!]?)([^\]]+)\]|[^*?[]/gu, (piece: string, ...groups) => {
    const [negation, set] = groups as (string | undefined)[];
    if (piece.startsWith("*")) return "[^/]*";
    if (piece === "?") return "[^/]";
    if (set === undefined) return escaped(piece);
    return `[${negation === "" ? "" : "^"}${set.replaceAll(/[\\\]^[&|~]/g, String.raw`\$&`)}]`;
  });
  try {
    return new RegExp(`^${source.replaceAll(/(?<!\\|^)\[(?![^\]]*\])/g, String.raw`\[`)}$`, "su").test(name);
  } catch {
    return false; // a range that runs backwards fits nothing
  }
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/gu, String.raw`\$&`);
}
