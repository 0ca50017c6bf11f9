import { types } from "node:util";
import { FalSerializationError } from "../errors.ts";
import { functionFault, plainObjectFault, instanceFault } from "./unserializable-objects.ts";

/**
 * Maximum nesting of a value. Node's serialization is recursive: it fails at about 1,600 levels on an empty stack, and
 * earlier on a used one.
 */
export const MAX_DEPTH = 1000;

/** Named properties of longer lists are checked only after serialization has failed. */
const MAX_NAMED_LENGTH = 1024;

/** Objects with more entries are remembered, so that each is checked once. */
const MAX_LEAF_LENGTH = 16;

/** Longer lists can only be sparse; only their existing elements are checked. */
const MAX_DENSE_LENGTH = 2 ** 26;

/**
 * Checks that a value arrives complete in another process, which plain data does: objects, arrays, texts, numbers,
 * bigints, dates, maps, sets, errors, regular expressions and bytes. Cycles are allowed. An instance of a class arrives
 * as a plain object, without its methods. The contents of bytes are not checked.
 * @param label names the value in messages, such as "argument 1 of speak()"
 * @throws FalSerializationError that names the path of the first value that can't be serialized
 */
export function assertSerializable(value: unknown, label: string): void {
  // Most arguments of small calls are primitives and need no walk.
  if (isPlainPrimitive(value)) return;
  const fault = new Walk(false).faultOf(value);
  if (fault !== undefined) throw new FalSerializationError(`${label}${fault}`);
}

/**
 * The error for a value that passed the check and still could not be sent. It names the path if a thorough check finds one.
 * @param thrown the error from sending
 */
export function serializationFailure(thrown: unknown, value: unknown, label: string): FalSerializationError {
  const fault = new Walk(true).faultOf(value);
  const reason = thrown instanceof RangeError ? "it is too large or nested too deeply" : messageOf(thrown);
  return new FalSerializationError(`${label}${fault ?? ` can't be sent to another process: ${reason}`}`, {
    cause: thrown,
  });
}

function messageOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.message : String(thrown);
  } catch {
    return "it can't be read";
  }
}

function isPlainPrimitive(value: unknown): boolean {
  if (value === null) return true;
  const type = typeof value;
  return type !== "object" && type !== "function" && type !== "symbol";
}

/**
 * Whether an object holds primitives only. Most objects do; checking a small one again at its next occurrence is cheaper
 * than remembering it.
 */
function isLeaf(object: object, names: readonly string[] | undefined, items: readonly unknown[]): boolean {
  if (names === undefined) return items.every(isPlainPrimitive);
  try {
    return names.every((name) => isPlainPrimitive((object as Record<string, unknown>)[name]));
  } catch {
    return false; // the walk reports the getter
  }
}

/** The kind of step from an object to a value in it. */
type Steps = "property" | "index" | "map" | "set" | "cause";

/** An object on the path to the current value, and the position of the walk in it. */
interface Level {
  steps: Steps;
  object: object;
  /** Names of the properties; undefined if `items` are walked. */
  names: readonly string[] | undefined;
  /** The elements of an array or a set, or the alternating keys and values of a map. */
  items: readonly unknown[];
  position: number;
}

/**
 * A walk through a value without recursion, in the order of serialization, so that depths match.
 */
class Walk {
  readonly #levels: Level[] = [];
  readonly #seen = new Set<object>();
  readonly #isThorough: boolean;
  #depth = 0;

  constructor(isThorough: boolean) {
    this.#isThorough = isThorough;
  }

  /** The reason that a value can't be serialized, as the end of a sentence about it; undefined if it can. */
  faultOf(value: unknown): string | undefined {
    if (isPlainPrimitive(value)) return undefined;
    const own = this.#enter(value);
    if (own !== undefined) return ` ${own}`;
    while (this.#depth > 0) {
      const fault = this.#advance(this.#levels[this.#depth - 1] as Level);
      if (fault !== undefined) return `${this.#path()} ${fault}`;
    }
    return undefined;
  }

  /** Continues with one object until a value in it has to be entered, or the object is complete. */
  #advance(level: Level): string | undefined {
    const { names, items, object } = level;
    const depth = this.#depth;
    const end = names === undefined ? items.length : names.length;
    while (level.position < end) {
      const position = level.position++;
      let item: unknown;
      if (names === undefined) item = items[position];
      else {
        try {
          item = (object as Record<string, unknown>)[names[position] as string];
        } catch (error) {
          return `can't be read: its getter threw "${messageOf(error)}"`;
        }
      }
      if (item === null) continue;
      const type = typeof item;
      if (type !== "object" && type !== "function" && type !== "symbol") continue;
      const fault = this.#enter(item);
      if (fault !== undefined) return fault;
      if (this.#depth !== depth) return undefined;
    }
    this.#depth--;
    return undefined;
  }

  /** Checks a value and enters it if it can contain others. Returns its fault. */
  #enter(value: unknown): string | undefined {
    if (typeof value === "function") return functionFault(value);
    if (typeof value === "symbol") return "is a symbol; pass a text";
    const object = value as object;
    if (this.#seen.has(object)) return undefined;
    try {
      return this.#enterObject(object);
    } catch (error) {
      return `can't be read: ${messageOf(error)}`;
    }
  }

  #enterObject(object: object): string | undefined {
    if (types.isProxy(object)) return PROXY;
    if (Array.isArray(object)) return this.#enterArray(object);
    const prototype = Object.getPrototypeOf(object) as object | null;
    if (prototype === Object.prototype || prototype === null) {
      return plainObjectFault(object) ?? this.#push("property", object, Object.keys(object), NONE);
    }
    return this.#enterInstance(object);
  }

  #enterArray(array: readonly unknown[]): string | undefined {
    const isSparse = array.length > MAX_DENSE_LENGTH;
    if (isSparse || this.#isThorough || array.length <= MAX_NAMED_LENGTH) {
      const names = Object.keys(array);
      if (isSparse || (names.length > 0 && !(Number(names.at(-1)) < array.length))) {
        return this.#push("property", array, names, NONE);
      }
    }
    return this.#push("index", array, undefined, array);
  }

  #enterInstance(object: object): string | undefined {
    if (types.isDate(object) || types.isRegExp(object)) return undefined;
    if (types.isMap(object)) return this.#push("map", object, undefined, mapItems(object));
    if (types.isSet(object)) return this.#push("set", object, undefined, setItems(object));
    if (ArrayBuffer.isView(object))
      return object.byteLength > 0 ? undefined : bufferFault(object.buffer, true);
    if (types.isAnyArrayBuffer(object)) return bufferFault(object, false);
    if (types.isNativeError(object)) return this.#enterError(object);
    if (types.isBoxedPrimitive(object)) {
      return types.isSymbolObject(object) ? "is a symbol; pass a text" : undefined;
    }
    const foreign = instanceFault(object);
    if (foreign !== undefined) return foreign;
    return this.#push("property", object, Object.keys(object), NONE);
  }

  #enterError(error: Error): string | undefined {
    if (Object.prototype.toString.call(error) === "[object DOMException]") return instanceFault(error);
    // Serialization reads them and converts them to text.
    for (const name of ["name", "message"] as const) {
      try {
        void `${error[name]}`;
      } catch (thrown) {
        return `can't be read: its ${name} threw "${messageOf(thrown)}"`;
      }
    }
    const cause = Object.getOwnPropertyDescriptor(error, "cause");
    if (cause === undefined || !("value" in cause)) return undefined;
    return this.#push("cause", error, undefined, [cause.value]);
  }

  #push(
    steps: Steps,
    object: object,
    names: readonly string[] | undefined,
    items: readonly unknown[],
  ): string | undefined {
    const { length } = names ?? items;
    if (length === 0) return undefined;
    if (this.#depth >= MAX_DEPTH) {
      return `is nested deeper than ${MAX_DEPTH} levels; pass a flat list`;
    }
    if (length <= MAX_LEAF_LENGTH && isLeaf(object, names, items)) return undefined;
    this.#seen.add(object);
    const level = this.#levels[this.#depth];
    if (level === undefined) this.#levels.push({ steps, object, names, items, position: 0 });
    else {
      level.steps = steps;
      level.object = object;
      level.names = names;
      level.items = items;
      level.position = 0;
    }
    this.#depth++;
    return undefined;
  }

  /** The path to the current value in JavaScript notation: `: options.pictures[0].load`. */
  #path(): string {
    const path = this.#levels.slice(0, this.#depth).map(stepOf).join("").replace(/^\./, "");
    return path.length <= MAX_PATH_LENGTH
      ? `: ${path}`
      : `: ${path.slice(0, MAX_PATH_LENGTH / 2)}…${path.slice(-MAX_PATH_LENGTH / 2)}`;
  }
}

const MAX_PATH_LENGTH = 160;
const NONE: readonly unknown[] = [];
const PROXY = "is a Proxy; pass a plain copy, such as { ...value }";

/** The alternating keys and values of a map, unaffected by overridden methods. */
function mapItems(map: ReadonlyMap<unknown, unknown>): unknown[] {
  const items: unknown[] = [];
  Map.prototype.forEach.call(map, (value, key) => items.push(key, value));
  return items;
}

function setItems(set: ReadonlySet<unknown>): unknown[] {
  const items: unknown[] = [];
  Set.prototype.forEach.call(set, (value) => items.push(value));
  return items;
}

function bufferFault(buffer: ArrayBufferLike, isInView: boolean): string | undefined {
  if (types.isSharedArrayBuffer(buffer)) {
    return isInView
      ? undefined
      : "is a SharedArrayBuffer; pass a copy, such as new Uint8Array(buffer).slice()";
  }
  if (buffer.byteLength > 0) return undefined;
  try {
    void new Uint8Array(buffer);
    return undefined;
  } catch {
    return "has been transferred elsewhere; it has no bytes left";
  }
}

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

/** The step from a level to its current value. */
function stepOf({ steps, object, names, items, position }: Level): string {
  const index = position - 1;
  switch (steps) {
    case "cause":
      return ".cause";
    case "set":
      return `.values()[${index}]`;
    case "map": {
      const entry = index >> 1;
      if (index % 2 === 0) return `.keys()[${entry}]`;
      const key = items[index - 1];
      const isShown = typeof key === "string" || typeof key === "number";
      return isShown ? `.get(${JSON.stringify(key)})` : `.values()[${entry}]`;
    }
    case "index":
      return `[${index}]`;
    case "property": {
      const name = names?.[index] ?? "";
      if (Array.isArray(object) && /^\d+$/.test(name)) return `[${name}]`;
      return IDENTIFIER.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
    }
  }
}
