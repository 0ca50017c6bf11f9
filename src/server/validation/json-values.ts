/** An object as its fields. */
export type Fields = Record<string, unknown>;

/** Names that every object inherits: `constructor`, `toString`, `__proto__`… */
export const INHERITED_NAMES: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** Reads a field as a schema means it: getters of a class are read, names that every object inherits are not. */
export function readField(value: Fields, key: string): unknown {
  return INHERITED_NAMES.has(key) && !Object.hasOwn(value, key) ? undefined : value[key];
}

/** Sets an own field of an object, under any name. */
export function writeField(value: Fields, key: string, item: unknown): void {
  if (key !== "__proto__") value[key] = item;
  else
    Object.defineProperty(value, key, { value: item, enumerable: true, configurable: true, writable: true });
}

/** The types of JSON Schema. */
export const JSON_TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"] as const;

/** Whether a value has one of these types. `3.0` is an integer; NaN and infinities are not numbers. */
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

/** Whether a value is an object in JSON Schema's sense, which includes bytes. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
