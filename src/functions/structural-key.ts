import { createHash } from "node:crypto";
import { types } from "node:util";

/** Longer keys are replaced by their hash. */
const MAX_PLAIN_LENGTH = 256;

/**
 * A text that is equal for two values exactly if their contents are equal. The key order of objects is ignored, that of
 * maps and sets is not. Instances of other classes than JavaScript's own data classes are equal only to themselves.
 * @param value passes `assertSerializable`, which also limits its depth
 */
export function structuralKey(value: unknown): string {
  return new KeyWriter().keyOf(value);
}

class KeyWriter {
  /** Keys of completed objects. */
  readonly #known = new Map<object, string>();
  /** The objects that contain the current one, with their levels, to detect cycles. */
  readonly #open = new Map<object, number>();
  /** The level of the outermost object that the current one refers back to. */
  #reach = Infinity;

  keyOf(value: unknown): string {
    if (typeof value !== "object" || value === null) return shortened(primitiveKey(value));
    return this.#known.get(value) ?? this.#objectKey(value);
  }

  #objectKey(object: object): string {
    const level = this.#open.size;
    const ancestor = this.#open.get(object);
    if (ancestor !== undefined) {
      this.#reach = Math.min(this.#reach, ancestor);
      return `^${level - ancestor}`;
    }
    const outerReach = this.#reach;
    this.#reach = Infinity;
    this.#open.set(object, level);
    const key = shortened(`${classKey(object)}(${this.#contentOf(object)})`);
    this.#open.delete(object);
    // A key with a back reference is valid in this position only.
    if (this.#reach >= level) {
      this.#known.set(object, key);
      this.#reach = outerReach;
    } else this.#reach = Math.min(this.#reach, outerReach);
    return key;
  }

  #contentOf(object: object): string {
    if (ArrayBuffer.isView(object)) return bytesKey(object.buffer, object.byteOffset, object.byteLength);
    if (types.isAnyArrayBuffer(object)) return bytesKey(object, 0, object.byteLength);
    if (types.isDate(object)) return String(Date.prototype.getTime.call(object));
    if (types.isRegExp(object)) return JSON.stringify([object.source, object.flags]);
    if (types.isBoxedPrimitive(object)) return primitiveKey(object.valueOf());
    if (types.isMap(object)) return this.#mapContent(object);
    if (types.isSet(object)) return [...object].map((item) => this.keyOf(item)).join();
    if (Array.isArray(object)) return this.#arrayContent(object);
    const own = types.isNativeError(object) ? this.#errorContent(object) : "";
    return `${own}${this.#fields(object, Object.keys(object).sort())}`;
  }

  #mapContent(map: ReadonlyMap<unknown, unknown>): string {
    return [...map].map(([key, item]) => `${this.keyOf(key)}:${this.keyOf(item)}`).join();
  }

  #errorContent(error: Error): string {
    const texts = JSON.stringify([String(error.name), String(error.message)]);
    return Object.hasOwn(error, "cause") ? `${texts},${this.keyOf(error.cause)},` : `${texts},`;
  }

  #arrayContent(array: readonly unknown[]): string {
    const names = Object.keys(array);
    const isPlain =
      names.length === array.length && (names.length === 0 || names.at(-1) === `${array.length - 1}`);
    if (isPlain) return array.map((item) => this.keyOf(item)).join();
    return `${array.length};${this.#fields(array, names)}`; // with holes or named properties
  }

  #fields(object: object, names: readonly string[]): string {
    return names
      .map((name) => `${JSON.stringify(name)}:${this.keyOf((object as Record<string, unknown>)[name])}`)
      .join();
  }
}

function primitiveKey(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  return Object.is(value, -0) ? "-0" : String(value);
}

function bytesKey(buffer: ArrayBufferLike, offset: number, length: number): string {
  const hash = createHash("sha256")
    .update(new Uint8Array(buffer, offset, length))
    .digest("hex");
  return `${length}:${hash}`;
}

function shortened(text: string): string {
  return text.length <= MAX_PLAIN_LENGTH ? text : `#${createHash("sha256").update(text).digest("base64")}`;
}

/** The classes whose instances are compared by content. */
const PLAIN_CLASSES: readonly { readonly name: string; readonly prototype: object }[] = [
  ...[Object, Array, Map, Set, Date, RegExp, ArrayBuffer, SharedArrayBuffer, DataView, Buffer],
  ...[Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError],
  ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array],
  ...[Float32Array, Float64Array, BigInt64Array, BigUint64Array, Boolean, Number, String, BigInt],
];
const CLASS_NAMES = new Map<object, string>(PLAIN_CLASSES.map(({ name, prototype }) => [prototype, name]));

/** Identities of the prototypes of all other classes. */
const identities = new WeakMap<object, number>();
let lastIdentity = 0;

function classKey(object: object): string {
  const prototype = Object.getPrototypeOf(object) as object | null;
  const name = prototype === null ? "Object" : CLASS_NAMES.get(prototype);
  if (name !== undefined) return name;
  let identity = identities.get(object);
  if (identity === undefined) identities.set(object, (identity = ++lastIdentity));
  return `@${identity}`;
}
