import { types } from "node:util";
import { kindOf, MARKER, type Kind } from "./kinds.ts";

/** A format of values: the types that it supports in addition to JSON's. */
export interface Form {
  /** Its name in errors. */
  readonly name: string;
  readonly bytes: boolean;
  readonly dates: boolean;
  /** NaN and infinite numbers. */
  readonly anyNumber: boolean;
  /** Whether all values that structured clone supports are kept, for the receiver to check. */
  readonly clones: boolean;
}

export const JSON_FORM: Form = { name: "JSON", bytes: false, dates: false, anyNumber: false, clones: false };
export const MESSAGE_PACK_FORM: Form = {
  name: "MessagePack",
  bytes: true,
  dates: true,
  anyNumber: true,
  clones: false,
};
/** From process to process. */
export const CLONE_FORM: Form = { name: "a worker", bytes: true, dates: true, anyNumber: true, clones: true };

/** A value holds something that the format does not support. The message says where, what, and what to do. */
export class UnsendableError extends Error {
  override readonly name = "UnsendableError";
}

/** Deeper values are checked for cycles. */
const QUICK_DEPTH = 100;

/**
 * The value as plain data of this format: the value itself if it is plain already, else a copy in which each `toJSON()`
 * was called. As in JSON, undefined fields are omitted and gaps in arrays are null.
 * @throws UnsendableError for values that the format would silently lose: bytes, streams, maps, NaN, functions, cycles.
 */
export function sendable(value: unknown, form: Form): unknown {
  if (isPlainly(value, form)) return value;
  return new Copier(form).copy(value, "", "");
}

function isPlainly(value: unknown, form: Form): boolean {
  try {
    return isPlain(value, form, 0);
  } catch {
    return false; // a getter that throws: the copier reports which
  }
}

/** Whether there is nothing to convert or to reject, which is the usual case. */
function isPlain(value: unknown, form: Form, depth: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return true;
    case "number":
      return form.anyNumber || Number.isFinite(value);
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth > QUICK_DEPTH) return false;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      if (!isPlain(value[index], form, depth + 1)) return false;
    }
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return form.bytes && value instanceof Uint8Array;
  for (const key in value) {
    if (!isPlain((value as Record<string, unknown>)[key], form, depth + 1)) return false;
  }
  return true;
}

class Copier {
  readonly #form: Form;
  /** The objects that enclose the current one, with their paths. */
  readonly #around = new Map<object, string>();

  constructor(form: Form) {
    this.#form = form;
  }

  /** @param key the value's key, for its `toJSON()`; undefined if that was called already */
  copy(value: unknown, path: string, key: string | undefined): unknown {
    const form = this.#form;
    if (typeof value === "number" && !form.anyNumber && !Number.isFinite(value))
      this.#refuse(path, kindOf(value));
    if (typeof value === "bigint" && !form.clones) this.#refuse(path, kindOf(value));
    if ((typeof value === "function" || typeof value === "symbol") && !form.clones)
      this.#refuse(path, kindOf(value));
    if (typeof value !== "object" || value === null) return value;
    if (types.isDate(value)) return this.#date(value, path, key ?? "");
    if (form.bytes && ArrayBuffer.isView(value)) return value;
    const converted = key === undefined ? value : this.#converted(value, path, key);
    if (converted !== value) return this.copy(converted, path, undefined);
    if (types.isBoxedPrimitive(value))
      return this.copy((value as { valueOf(): unknown }).valueOf(), path, key);
    const kind = kindOf(value);
    if (kind !== undefined) {
      if (!form.clones) this.#refuse(path, kind);
      return kind.clones ? value : new Error(`${MARKER}${kind.what}; ${kind.advice}`);
    }
    const outer = this.#around.get(value);
    if (outer !== undefined) {
      if (form.clones) return value;
      this.#refuse(path, {
        what: outer === "" ? "the result itself again" : `${outer} again, which it lies in`,
        advice: "a result can't contain itself",
        clones: true,
      });
    }
    this.#around.set(value, path);
    const copy = Array.isArray(value) ? this.#list(value, path) : this.#fields(value, path);
    this.#around.delete(value);
    return copy;
  }

  #list(value: readonly unknown[], path: string): unknown[] {
    return Array.from(value, (item, index) => this.copy(item, join(path, String(index)), String(index)));
  }

  #fields(value: object, path: string): object {
    const copy: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      const item = this.copy(this.#read(value, key, path), join(path, key), key);
      if (key !== "__proto__") copy[key] = item;
      else
        Object.defineProperty(copy, key, {
          value: item,
          enumerable: true,
          configurable: true,
          writable: true,
        });
    }
    return copy;
  }

  #date(value: Date, path: string, key: string): unknown {
    if (Number.isNaN(value.getTime())) {
      if (this.#form.clones) return value;
      this.#refuse(path, { what: "an invalid Date", advice: "return a valid one, or null", clones: true });
    }
    return this.#form.dates ? value : this.#converted(value, path, key);
  }

  /** The result of the value's own toJSON(). */
  #converted(value: object, path: string, key: string): unknown {
    const toJSON = this.#read(value, "toJSON", path);
    if (typeof toJSON !== "function" || ArrayBuffer.isView(value)) return value;
    try {
      return (toJSON as (key: string) => unknown).call(value, key);
    } catch (error) {
      throw unsendable(path, `can't be converted: its toJSON() threw ${messageOf(error)}`, error);
    }
  }

  #read(value: object, key: string, path: string): unknown {
    try {
      return (value as Record<string, unknown>)[key];
    } catch (error) {
      throw unsendable(join(path, key), `can't be read: its getter threw ${messageOf(error)}`, error);
    }
  }

  #refuse(path: string, kind: Kind | undefined): never {
    const { what, advice } = kind ?? { what: "nothing that can be sent", advice: "return plain data" };
    throw unsendable(path, `is ${advice === "" ? what : `${what}; ${advice}`}`);
  }
}

function unsendable(path: string, what: string, cause?: unknown): UnsendableError {
  return new UnsendableError(`${path === "" ? "the result" : path} ${what}`, { cause });
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? JSON.stringify(error.message) : `a ${typeof error}`;
}
