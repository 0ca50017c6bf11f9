import { isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";

/** Patterns that are meant to take every key, and stop at a line break by the letter. */
const ANY_KEY: ReadonlySet<string> = new Set([
  "^.*$",
  "^(.*)$",
  "^(?:.*)$",
  ".*",
  "",
  "^",
  "$",
  "^.*",
  ".*$",
]);

/**
 * `Type.Record` speaks of all keys by a pattern, and a pattern's dot takes no line break: a key with one would go by
 * without being looked at. Its dots take everything, here; in documents the pattern stays as it was written.
 */
export function coverAllKeys(copy: Record<string, unknown>, original: SchemaNode): Record<string, unknown> {
  const patterns = copy["patternProperties"];
  if (!isSchemaNode(patterns)) return copy;
  const isRecord = original["~kind"] === "Record";
  const entries = Object.entries(patterns);
  const [first] = entries;
  const speaksForAll = first !== undefined && entries.length === 1 && ANY_KEY.has(first[0]);
  if (speaksForAll && !("properties" in copy) && !("additionalProperties" in copy)) {
    const { patternProperties: _patterns, ...rest } = copy;
    return { ...rest, additionalProperties: first[1] };
  }
  const widened = entries.map(([pattern, schema], index) => [
    // Each spelling of "any" stays a key of its own.
    ANY_KEY.has(pattern) ? "(?:)".repeat(index) : isRecord ? dotsTakeAll(pattern) : pattern,
    schema,
  ]);
  return { ...copy, patternProperties: Object.fromEntries(widened) as SchemaNode };
}

/** The pattern with each dot that stands for a character standing for line breaks too. */
function dotsTakeAll(pattern: string): string {
  return pattern.replaceAll(/\\[^]|\[(?:\\[^]|[^\]])*\]|\./g, (part) => (part === "." ? "[^]" : part));
}
