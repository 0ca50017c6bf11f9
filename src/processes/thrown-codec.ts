import { types } from "node:util";
import { asError } from "../answers.ts";
import * as errors from "../errors.ts";
import { isCloneable } from "./cloning.ts";

/**
 * Anything thrown, on its way to another process. Structured clone alone would not do: it turns every error into one
 * of the language's own and drops what was added to it.
 */
export type WireThrown = { readonly error: WireError } | { readonly value: unknown };

/** An error, taken apart. */
interface WireError {
  /** Its classes that can be found again on the other side, the most derived one first. */
  readonly kinds: readonly string[];
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly cause?: WireThrown;
  /** What else is on it, as far as it can be cloned. */
  readonly fields: readonly (readonly [name: string, value: WireField])[];
}

/** The value of a field. Errors inside of it keep their class. */
type WireField = WireThrown | { readonly list: readonly WireThrown[] };

/** So many errors are taken along whole with one, as its causes and in its fields. */
const MAX_ERRORS = 100;

const BRAND_PREFIX = "servable.error.";

const OWN_FIELDS: ReadonlySet<string> = new Set(["name", "message", "stack", "cause"]);

/** Takes apart what was thrown. Never throws itself, whatever it is given. */
export function encodeThrown(thrown: unknown): WireThrown {
  return encode(thrown, new Set());
}

/** Errors may hold each other: one that is in `seen` comes without the errors that it holds. */
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

/** Whether a value is an error, of any class and copy. */
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

/** The error's classes by name: this package's by their brands, the language's by their names. */
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

/** Kind → prototype, of every error class that is known here. */
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
 * Puts together again what {@link encodeThrown} took apart. `instanceof` holds for this package's classes and the
 * language's; an error of another class comes back as the nearest of those, with its own name.
 */
export function decodeThrown(wire: WireThrown): unknown {
  return "error" in wire ? decodeError(wire.error) : wire.value;
}

function decodeError(wire: WireError): Error {
  const error = new Error(wire.message);
  const known = wire.kinds.find((kind) => PROTOTYPES.has(kind));
  Object.setPrototypeOf(error, PROTOTYPES.get(known ?? "Error") as object);
  // Not enumerable, as on an error that was thrown here.
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
