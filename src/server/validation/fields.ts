/** An object as its fields. */
export type Fields = Record<string, unknown>;

/** Names that every object answers to without having them: `constructor`, `toString`, `__proto__`… */
export const INHERITED_NAMES: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** A field as a schema means it: a class's getter counts, what every object inherits does not. */
export function readField(value: Fields, key: string): unknown {
  return INHERITED_NAMES.has(key) && !Object.hasOwn(value, key) ? undefined : value[key];
}

/** Sets a field of this object itself, under any name. */
export function writeField(value: Fields, key: string, item: unknown): void {
  if (key !== "__proto__") value[key] = item;
  else
    Object.defineProperty(value, key, { value: item, enumerable: true, configurable: true, writable: true });
}
