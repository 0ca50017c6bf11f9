import { types } from "node:util";
import { FalSerializationError } from "../errors.ts";
import { functionFault, plainObjectFault, instanceFault } from "./unserializable-objects.ts";

/**
 * How deep a value may be nested. What serialises values is recursive: on a fresh stack it gives up at some 1,600
 * objects within each other, on a used one earlier.
 */
export const MAX_DEPTH = 1000;

/** In longer lists, names beside the elements are looked for only when a value has turned out not to travel. */
const MAX_NAMED_LENGTH = 1024;

/** Objects with more in them are remembered, so that none is looked at twice. */
const MAX_LEAF_LENGTH = 16;

/** Longer than any list without holes that fits into memory. Of longer ones, only what is there is looked at. */
const MAX_DENSE_LENGTH = 2 ** 26;

/**
 * Makes sure that a value arrives whole in another process: that it is made of plain data, which are objects and
 * arrays, texts, numbers, bigints, dates, maps, sets, errors, regular expressions and bytes. Cycles are fine. An instance
 * of a class travels as a plain object, without its methods. Bytes are not looked at.
 * @param label what the value is, such as "argument 1 of speak()"
 * @throws FalSerializationError that names the path of what can't travel
 */
export function assertSerializable(value: unknown, label: string): void {
  // Before a walk is set up: most arguments of small calls are such.
  if (isPlainPrimitive(value)) return;
  const fault = new Walk(false).faultOf(value);
  if (fault !== undefined) throw new FalSerializationError(`${label}${fault}`);
}

/**
 * What to throw when a value could not be sent although it passed the check: names the path where it can be found.
 * @param thrown what the sending threw
 */
export function serializationFailure(thrown: unknown, value: unknown, label: string): FalSerializationError {
  const fault = new Walk(true).faultOf(value);
  const reason = thrown instanceof RangeError ? "it is too large or nested too deeply" : messageOf(thrown);
  return new FalSerializationError(`${label}${fault ?? ` can't travel to another process: ${reason}`}`, {
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
 * Whether nothing is in an object that has to be entered. Most objects are such; looking at a small one once more, where
 * it is met again, is cheaper than remembering it.
 */
function isLeaf(object: object, names: readonly string[] | undefined, items: readonly unknown[]): boolean {
  if (names === undefined) return items.every(isPlainPrimitive);
  try {
    return names.every((name) => isPlainPrimitive((object as Record<string, unknown>)[name]));
  } catch {
    return false; // the walk tells which getter it was
  }
}

/** How what is in an object is reached from it. */
type Steps = "property" | "index" | "map" | "set" | "cause";

/** An object on the way from the value to what is looked at, with how far it has been walked. */
interface Level {
  steps: Steps;
  object: object;
  /** Names of the properties; undefined where `items` are walked. */
  names: readonly string[] | undefined;
  /** The elements of an array, or of a map's keys and values in turn, or of a set. */
  items: readonly unknown[];
  position: number;
}

/**
 * A walk through a value, without recursion, in the order in which it is serialised, so that the depth is that of the
 * serialisation.
 */
class Walk {
  readonly #levels: Level[] = [];
  readonly #seen = new Set<object>();
  readonly #isThorough: boolean;
  #depth = 0;

  constructor(isThorough: boolean) {
    this.#isThorough = isThorough;
  }

  /** What is wrong with a value, as the end of a sentence about it; undefined when nothing is. */
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

  /** Goes on with one object until something in it is to be entered, or it is done. */
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

  /** Looks at a value, and goes into it if there may be something in it. Returns what is wrong with it. */
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
    // They are read and made texts on the way.
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

  /** Where the walk is, as JavaScript would say it: `: options.pictures[0].load`. */
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

/** The keys and values of a map in turn, by what it really holds. */
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
    return "has been transferred elsewhere; its bytes are gone";
  }
}

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

/** The step from a level to what is looked at in it. */
function stepOf({ steps, object, names, items, position }: Level): string {
  const index = position - 1;
  switch (steps) {
    case "cause":
      return ".cause";
    case "set":
      return `.values()[${index}]`;
    case "map": {
      const place = index >> 1;
      if (index % 2 === 0) return `.keys()[${place}]`;
      const key = items[index - 1];
      const isShown = typeof key === "string" || typeof key === "number";
      return isShown ? `.get(${JSON.stringify(key)})` : `.values()[${place}]`;
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
