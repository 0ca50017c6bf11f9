import { types } from "node:util";
import { asError } from "../answers.ts";
import * as errors from "../errors.ts";
import { isCloneable } from "./cloning.ts";

/**
 * A thrown value in a form that can be sent to another process. Structured clone is not enough, because it replaces the
 * class of an error by one of JavaScript's own and drops additional fields.
 */
export type WireThrown = { readonly error: WireError } | { readonly value: unknown };

/** An error in a form that can be sent. */
interface WireError {
  /** Names of its classes that the receiver can know, the most derived one first. */
  readonly kinds: readonly string[];
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly cause?: WireThrown;
  /** Its other fields, as far as they can be cloned. */
  readonly fields: readonly (readonly [name: string, value: WireField])[];
}

/** The value of a field. Errors in it are encoded too, so that they keep their class. */
type WireField = WireThrown | { readonly list: readonly WireThrown[] };

/** Maximum number of errors that are encoded completely with one error: its causes and the errors in its fields. */
const MAX_ERRORS = 100;

const BRAND_PREFIX = "servable.error.";

const OWN_FIELDS: ReadonlySet<string> = new Set(["name", "message", "stack", "cause"]);

/** Encodes a thrown value. Never throws, whatever the value is. */
export function encodeThrown(thrown: unknown): WireThrown {
  return encode(thrown, new Set());
}

/**
 * Errors may refer to each other: an error that is in `seen` is encoded without its causes and the errors in its
 * fields.
 */
function encode(thrown: unknown, seen: Set<Error>): WireThrown {
  try {
    if (isError(thrown)) {
      const isKnown = seen.has(thrown) || seen.size >= MAX_ERRORS;
      seen.add(thrown);
      return { error: encodeError(thrown, isKnown ? undefined : seen) };
    }
    if (isCloneable(thrown)) return { value: thrown };
  } catch {
    // a proxy whose traps throw, or a getter that does
  }
  return { error: encodeError(describe(thrown), undefined) };
}

/** Whether a value is an error of any class, including classes of another copy of this package. */
export function isError(value: unknown): value is Error {
  try {
    return types.isNativeError(value) || value instanceof Error;
  } catch {
    return false;
  }
}

function describe(thrown: unknown): Error {
  if (isError(thrown)) return new Error("a handler threw an error that can't be read");
  return asError(thrown);
}

function encodeError(error: Error, seen: Set<Error> | undefined): WireError {
  const { cause } = error;
  return {
    kinds: kindsOf(error),
    name: String(error.name),
    message: String(error.message),
    stack: typeof error.stack === "string" ? error.stack : undefined,
    ...(cause === undefined || seen === undefined ? {} : { cause: encode(cause, seen) }),
    fields: [...encodeFields(error, seen)],
  };
}

function* encodeFields(error: Error, seen: Set<Error> | undefined): Generator<readonly [string, WireField]> {
  const names = new Set(Object.keys(error).filter((name) => !OWN_FIELDS.has(name)));
  if ("code" in error) names.add("code");
  if (error instanceof AggregateError) names.add("errors");
  for (const name of names) {
    try {
      const value = (error as unknown as Record<string, unknown>)[name];
      const field = encodeField(value, seen);
      if (field !== undefined) yield [name, field];
    } catch {
      // a getter that throws
    }
  }
}

function encodeField(value: unknown, seen: Set<Error> | undefined): WireField | undefined {
  if (isError(value)) return seen && encode(value, seen);
  if (Array.isArray(value) && value.some(isError)) {
    return seen && { list: value.map((item) => encode(item, seen)) };
  }
  return isCloneable(value) ? { value } : undefined;
}

/** The names of the error's classes: brands for classes of this package, names for JavaScript's own. */
function kindsOf(error: Error): string[] {
  const kinds: string[] = [];
  let prototype = Object.getPrototypeOf(error) as object | null;
  for (let level = 0; prototype !== null && level < 64; level++) {
    for (const symbol of Object.getOwnPropertySymbols(prototype)) {
      const key = Symbol.keyFor(symbol);
      if (key?.startsWith(BRAND_PREFIX) === true) kinds.push(key);
    }
    const native = NATIVE.find((constructor) => constructor.prototype === prototype);
    if (native !== undefined) kinds.push(native.name);
    prototype = Object.getPrototypeOf(prototype) as object | null;
  }
  return kinds;
}

const NATIVE = [
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
  AggregateError,
  Error,
] as const;

/** The prototype of each known error class, by its kind. */
const PROTOTYPES: ReadonlyMap<string, object> = new Map([
  ...NATIVE.map(({ name, prototype }): [string, object] => [name, prototype as object]),
  ...Object.values(errors).flatMap((value) => (typeof value === "function" ? brandsOf(value) : [])),
]);

function brandsOf(value: Function): [string, object][] {
  const prototype = value.prototype as object | undefined;
  if (prototype === undefined) return [];
  return Object.getOwnPropertySymbols(prototype).flatMap((symbol) => {
    const key = Symbol.keyFor(symbol);
    return key?.startsWith(BRAND_PREFIX) === true ? [[key, prototype] satisfies [string, object]] : [];
  });
}

/**
 * Decodes the result of {@link encodeThrown}. `instanceof` works for classes of this package and for JavaScript's own.
 * An error of another class becomes an instance of its nearest known superclass, and keeps its name.
 */
export function decodeThrown(wire: WireThrown): unknown {
  return "error" in wire ? decodeError(wire.error) : wire.value;
}

function decodeError(wire: WireError): Error {
  const error = new Error(wire.message);
  const known = wire.kinds.find((kind) => PROTOTYPES.has(kind));
  Object.setPrototypeOf(error, PROTOTYPES.get(known ?? "Error") as object);
  // Not enumerable, as for any error.
  setField(error, "stack", wire.stack, false);
  if (error.name !== wire.name) setField(error, "name", wire.name, false);
  if (wire.cause !== undefined) setField(error, "cause", decodeThrown(wire.cause), false);
  for (const [name, field] of wire.fields) {
    const value = "list" in field ? field.list.map(decodeThrown) : decodeThrown(field);
    setField(error, name, value, name !== "errors");
  }
  return error;
}

function setField(error: Error, name: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(error, name, { value, enumerable, configurable: true, writable: true });
}
