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
