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

/** The types of JSON Schema. */
export const JSON_TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"] as const;

/** Whether a value is of a type, or of one of several. `3.0` is an integer; what is not finite is no number. */
export function isOfType(value: unknown, type: unknown): boolean {
  if (Array.isArray(type)) return type.some((one) => isOfType(value, one));
  switch (type) {
    case "array":
      return Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    case "number":
      return Number.isFinite(value);
    case "null":
      return value === null;
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    default:
      return typeof value === type;
  }
}

/** What JSON Schema calls an object, bytes included, which are nothing else to it. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
