/**
 * A text that is the same for values that JSON Schema considers equal: `1` and `1.0`, or objects with fields in another
 * order. Takes time proportional to the value, which comparing all pairs would not.
 */
export function equalityKey(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object" || value === null) return String(value === 0 ? 0 : value);
  if (Array.isArray(value)) return `[${value.map(equalityKey).join()}]`;
  if (ArrayBuffer.isView(value)) {
    return `<${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")}>`;
  }
  if (value instanceof Date) return `<${value.getTime()}>`;
  const fields = value as Readonly<Record<string, unknown>>;
  const entries = Object.keys(fields)
    .filter((key) => fields[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${equalityKey(fields[key])}`);
  return `{${entries.join()}}`;
}

/** Whether no two items are equal. */
export function areUnique(items: readonly unknown[]): boolean {
  const seen = new Set<unknown>();
  for (const item of items) {
    // Objects need a text as their key; scalars are their own.
    const key =
      typeof item === "object" && item !== null
        ? `o${equalityKey(item)}`
        : typeof item === "string"
          ? `s${item}`
          : item;
    if (seen.has(key)) return false;
    seen.add(key);
  }
  return true;
}

/** Creates a check whether a value is in the list. */
export function memberOf(values: readonly unknown[]): (value: unknown) => boolean {
  const scalars = new Set(values.filter((value) => typeof value !== "object" || value === null));
  const others = new Set(
    values.filter((value) => typeof value === "object" && value !== null).map(equalityKey),
  );
  if (others.size === 0) return (value) => scalars.has(value);
  return (value) =>
    typeof value === "object" && value !== null ? others.has(equalityKey(value)) : scalars.has(value);
}
