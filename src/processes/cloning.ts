import { serialize } from "node:v8";

/** Maximum depth of the search for a value that can't be sent. */
const MAX_DEPTH = 32;

/** Whether a value can be sent to another process. */
export function isCloneable(value: unknown): boolean {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) {
    return typeof value !== "symbol";
  }
  try {
    serialize(value);
    return true;
  } catch {
    return false;
  }
}

/** Describes the part of a value that can't be sent by its path and kind, such as `"pictures.0.load is a function"`. */
export function describeUncloneable(value: unknown): string {
  try {
    const path: string[] = [];
    let current = value;
    while (isPlain(current) && path.length < MAX_DEPTH) {
      const entry = Object.entries(current).find(([, item]) => !isCloneable(item));
      if (entry === undefined) break;
      path.push(entry[0]);
      current = entry[1];
    }
    return `${path.length === 0 ? "it" : path.join(".")} is ${kindOf(current)}`;
  } catch {
    return "it can't be read"; // a getter or a proxy's trap throws
  }
}

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
}

function kindOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return `a ${typeof value}`;
  const { name } = value.constructor;
  return name === "Object" ? "an object that can't be read" : `a ${name}`;
}
