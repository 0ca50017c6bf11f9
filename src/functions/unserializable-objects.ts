import { types } from "node:util";

/** Replacements for objects that are not data, by class name. */
const ADVICE: Readonly<Record<string, string>> = {
  URL: "pass url.href",
  URLSearchParams: "pass params.toString()",
  Headers: "pass Object.fromEntries(headers)",
  Request: "pass what is needed of it, such as request.url",
  Response: "pass its content, such as new Uint8Array(await response.arrayBuffer())",
  FormData: "pass its fields as an object, and files as bytes",
  Blob: "pass new Uint8Array(await blob.arrayBuffer())",
  File: "pass new Uint8Array(await file.arrayBuffer())",
  AbortSignal: "give it to submit() or spawn() as { signal }, which cancels the call",
  AbortController: "give its signal to submit() or spawn() as { signal }, which cancels the call",
  Promise: "await it first",
  WeakMap: "pass a Map",
  WeakSet: "pass a Set",
  WeakRef: "pass what deref() returns",
  DOMException: "pass new Error(error.message)",
  KeyObject: "pass key.export()",
  CryptoKey: "pass what crypto.subtle.exportKey() returns",
};
const STREAM_ADVICE = "read it first, and pass the bytes or the items";
const ITERATOR_ADVICE = "pass its items, as an array";
const ADVICE_FOR_ALL = "pass plain data";

/**
 * The fault of an instance of a class, as the end of a sentence: it is bound to this process, or nothing of it would
 * arrive. Undefined if its fields can be serialized. Depending on its version, Node fails to serialize such objects or
 * silently makes them empty.
 */
export function instanceFault(object: object): string | undefined {
  if (types.isPromise(object)) return described("Promise");
  if (types.isWeakMap(object)) return described("WeakMap");
  if (types.isWeakSet(object)) return described("WeakSet");
  if (types.isGeneratorObject(object)) return described("generator", ITERATOR_ADVICE);
  if (has(object, "then")) return `is ${withArticle(nameOf(object))}, a promise; ${ADVICE["Promise"]}`;
  if (has(object, "emit", "on", "removeListener")) {
    return has(object, "pipe") || has(object, "write", "end")
      ? described(nameOf(object), STREAM_ADVICE, "a stream")
      : described(nameOf(object), ADVICE_FOR_ALL, "an EventEmitter");
  }
  if (has(object, "ref", "unref", "hasRef")) {
    return described(nameOf(object), ADVICE_FOR_ALL, "a handle of this process");
  }
  return Object.keys(object).length === 0 && hasHiddenState(object) ? describeEmpty(object) : undefined;
}

/** The fault of an object with the prototype of a plain object, or without a prototype. Undefined for a plain object. */
export function plainObjectFault(object: object): string | undefined {
  if (Object.prototype.toString.call(object) === "[object Object]") return undefined;
  if (types.isArgumentsObject(object)) return "is an arguments object; pass [...arguments]";
  return types.isModuleNamespaceObject(object) ? "is a module; pass what is needed of it" : undefined;
}

/** The fault of a function or a class. */
export function functionFault(value: object): string {
  const isClass = /^class\b/.test(Function.prototype.toString.call(value));
  return isClass
    ? "is a class; pass plain data, and import the class where it is used"
    : "is a function; pass plain data, and import the function where it is called";
}

/** Whether an instance without fields has members: its state is in private fields or native code, which are not sent. */
function hasHiddenState(object: object): boolean {
  if (Object.getOwnPropertySymbols(object).length > 0) return true;
  for (let prototype = parentOf(object); prototype !== null; prototype = parentOf(prototype)) {
    if (parentOf(prototype) === null) return false; // some realm's Object.prototype
    if (Reflect.ownKeys(prototype).some((key) => key !== "constructor")) return true;
  }
  return false;
}

function describeEmpty(object: object): string {
  const name = nameOf(object);
  const advice = ADVICE[name];
  if (advice !== undefined) return described(name, advice);
  if (has(object, "getReader") || has(object, "getWriter")) return described(name, STREAM_ADVICE);
  if (has(object, "next")) return described(name, ITERATOR_ADVICE);
  return described(name, ADVICE_FOR_ALL, "of which nothing would arrive");
}

function described(name: string, advice: string = ADVICE[name] ?? ADVICE_FOR_ALL, what?: string): string {
  const aside = what === undefined || what.endsWith(` ${name}`) ? "" : `, ${what}`;
  return `is ${withArticle(name)}${aside}; ${advice}`;
}

function withArticle(name: string): string {
  return `${/^[aeio]/i.test(name) ? "an" : "a"} ${name}`;
}

/** Whether an object has methods with these names, own or inherited. */
function has(object: object, ...names: readonly string[]): boolean {
  return names.every(
    (name) => name in object && typeof (object as Record<string, unknown>)[name] === "function",
  );
}

/** The name of an object: its tag, which built-in classes have, or its class. */
function nameOf(object: object): string {
  const tag = Object.prototype.toString.call(object).slice(8, -1);
  // A message port has the tag "EventTarget".
  const { constructor } = object;
  const own = typeof constructor === "function" ? constructor.name : "";
  if (own !== "" && own !== "Object" && (tag === "Object" || tag === "EventTarget")) return own;
  return tag === "Object" ? "object of a class without a name" : tag;
}

function parentOf(object: object): object | null {
  return Object.getPrototypeOf(object) as object | null;
}
