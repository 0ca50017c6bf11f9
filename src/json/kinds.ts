import { types } from "node:util";

/** A kind of value other than plain data. */
export interface Kind {
  /** Its name with an article: `a Map`. */
  readonly what: string;
  readonly advice: string;
  /** Whether structured clone keeps it or rejects it. False if it would silently become an empty object. */
  readonly clones: boolean;
}

/** Prefix of the message of an `Error` that replaces a value which could not be sent from a worker. */
export const MARKER = "\0servable:";

/** The kind of a value; undefined for plain data, and for objects of a class with fields. */
export function kindOf(value: unknown): Kind | undefined {
  switch (typeof value) {
    case "number":
      return { what: String(value), advice: "return null or a finite number", clones: true };
    case "bigint":
      return { what: "a bigint", advice: "return it as a text, String(value)", clones: true };
    case "function":
    case "symbol":
      return { what: `a ${typeof value}`, advice: "return plain data", clones: true };
    case "object":
      return value === null || Array.isArray(value) ? undefined : kindOfObject(value);
    default:
      return undefined;
  }
}

function kindOfObject(value: object): Kind | undefined {
  const foreign = foreignKind(value);
  if (foreign !== undefined) return foreign;
  if (types.isNativeError(value) || value instanceof Error) {
    if (value.message.startsWith(MARKER))
      return { what: value.message.slice(MARKER.length), advice: "", clones: true };
    return kind(value, "throw it, or return its message", types.isNativeError(value));
  }
  if (isPlainObject(value) || Object.keys(value).length > 0) return undefined;
  if (["", "Object"].includes(constructorOf(value))) return undefined;
  return kind(value, "it has no fields that JSON includes: give it a toJSON(), or return plain data");
}

/** The kind of an object that is not a record, even if it has fields: bytes, promises, maps, streams. */
export function foreignKind(value: object): Kind | undefined {
  if (isPlainObject(value)) return typeof read(value, "then") === "function" ? PROMISE : undefined;
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) {
    const advice = "return base64 text, or a URL; in MessagePack a Uint8Array";
    return { what: `${articled(nameOf(value))} of ${value.byteLength} bytes`, advice, clones: true };
  }
  if (types.isPromise(value) || typeof read(value, "then") === "function") return PROMISE;
  if (types.isMap(value)) return kind(value, "return Object.fromEntries(map)", true);
  if (types.isSet(value)) return kind(value, "return an array, [...set]", true);
  if (types.isRegExp(value)) return kind(value, "return its source", true);
  if (isStream(value))
    return kind(value, "read it first, or make the endpoint a stream with async *method()");
  if (typeof read(value, "arrayBuffer") === "function")
    return kind(value, "read it first, and return its data");
  return types.isArgumentsObject(value) ? kind(value, "return an array") : undefined;
}

const PROMISE: Kind = { what: "a promise", advice: "did you forget await?", clones: true };

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || (prototype === Object.prototype && !types.isArgumentsObject(value));
}

function kind(value: object, advice: string, clones = false): Kind {
  return { what: articled(nameOf(value)), advice, clones };
}

/** Whether an object is a stream, an iterator or a generator. */
function isStream(value: object): boolean {
  if (Symbol.asyncIterator in value) return true;
  if (["pipe", "getReader", "getWriter"].some((name) => typeof read(value, name) === "function")) return true;
  return typeof read(value, "next") === "function" && Symbol.iterator in value;
}

function read(value: object, name: string): unknown {
  try {
    return (value as Record<string, unknown>)[name];
  } catch {
    return undefined; // a getter that throws
  }
}

function constructorOf(value: object): string {
  const constructor = read(value, "constructor");
  return typeof constructor === "function" ? constructor.name : "";
}

function nameOf(value: object): string {
  const name = constructorOf(value);
  const tag = Object.prototype.toString.call(value).slice("[object ".length, -1);
  return name === "" || name === "Object" ? tag : name;
}

function articled(name: string): string {
  return `${/^[AEIOU]/i.test(name) ? "an" : "a"} ${name}`;
}
