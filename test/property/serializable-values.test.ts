import assert from "node:assert/strict";
import { test } from "node:test";
import { deserialize, serialize } from "node:v8";
import * as fc from "fast-check";
import { FalSerializationError } from "../../src/errors.ts";
import { structuralKey } from "../../src/functions/structural-key.ts";
import { assertSerializable } from "../../src/functions/serializable-values.ts";
import { thrownBy } from "../helpers/thrown.ts";

/** Plain data of all kinds, nested in each other. */
const { value: plain } = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom(undefined, null, -0),
    fc.boolean(),
    fc.double(),
    fc.integer(),
    fc.bigInt(),
    fc.string({ unit: "binary" }),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array(),
    fc.float64Array(),
    fc.bigInt64Array(),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.uint8Array().map(({ buffer }) => buffer),
    fc.constantFrom(/a/g, Object(5), Object("a")),
  ),
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.string(), tie("value"), { noNullPrototype: true, maxKeys: 4 }),
    fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.array(tie("value"), { maxLength: 4 }).map((items) => new Set(items)),
    fc.tuple(fc.string(), tie("value")).map(([message, cause]) => new TypeError(message, { cause })),
  ),
}));

test("a value that passes the check is equal after serialization and deserialization", () => {
  fc.assert(
    fc.property(plain, (value) => {
      assertSerializable(value, "it");
      const arrived: unknown = deserialize(serialize(value));
      assert.deepEqual(arrived, value);
    }),
    { numRuns: 1000 },
  );
});

const forbidden = fc.constantFrom<unknown>(
  () => 1,
  class Model extends Map {},
  Symbol("s"),
  Promise.resolve(),
  new WeakMap(),
  new Proxy({}, {}),
  new URL("http://localhost/"),
  new Headers(),
  new Blob([]),
  new SharedArrayBuffer(1),
  new AbortController().signal,
  (function* () {})(),
);

/** A way to put a value into plain data, and the step that leads to it there. */
type Wrap = readonly [step: string, wrap: (value: unknown) => unknown];

const wrap: fc.Arbitrary<Wrap> = fc.oneof(
  fc
    .tuple(fc.array(plain, { maxLength: 3 }), fc.array(plain, { maxLength: 3 }))
    .map(([before, after]): Wrap => [`[${before.length}]`, (value) => [...before, value, ...after]]),
  fc
    .tuple(plain, fc.stringMatching(/^[a-z]\w{0,5}$/))
    .map(([other, name]): Wrap => [
      `.${name}`,
      (value) => ({ other0000: other, [name]: value, after0000: other }),
    ]),
  plain.map((other): Wrap => ['["two words"]', (value) => ({ other, "two words": value })]),
  fc.tuple(plain, fc.string()).map(([other, key]): Wrap => [
    `.get(${JSON.stringify(key)})`,
    (value) =>
      new Map([
        [Symbol.iterator.description, other],
        [key, value],
      ]),
  ]),
  plain.map((other): Wrap => [
    ".values()[1]",
    (value) =>
      new Map([
        [1n, other],
        [2n, value],
      ]),
  ]),
  plain.map((other): Wrap => [
    ".keys()[1]",
    (value) =>
      new Map([
        [1n, other],
        [value, other],
      ]),
  ]),
  fc.constant<Wrap>([".values()[1]", (value) => new Set<unknown>([1, value])]),
  fc.constant<Wrap>([".cause", (cause) => new Error("x", { cause })]),
);

test("a value that can't be serialized is reported at its exact path", () => {
  fc.assert(
    fc.property(forbidden, fc.array(wrap, { maxLength: 6 }), (thing, wraps) => {
      const value = wraps.reduce((inner, [, put]) => put(inner), thing);
      const steps = wraps.map(([step]) => step).toReversed();
      const path = steps.join("").replace(/^\./, "");
      const error = thrownBy(() => assertSerializable(value, "it"));
      assert.ok(error instanceof FalSerializationError);
      const start = path === "" ? "it " : `it: ${path} `;
      assert.ok(path.length > 150 || error.message.startsWith(start), `${error.message} at ${path}`);
    }),
    { numRuns: 1000 },
  );
});

test("for any value, the check throws its own error or passes a value that can be sent", () => {
  const anything = fc.anything({
    withBigInt: true,
    withBoxedValues: true,
    withMap: true,
    withObjectString: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true,
  });
  fc.assert(
    fc.property(anything, (value) => {
      assertSerializable(value, "it");
      assert.deepEqual(deserialize(serialize(value)), value);
    }),
    { numRuns: 1000 },
  );
});

test("a value and its copy have the same key, in any order of an object's keys; different values have different keys", () => {
  fc.assert(
    fc.property(plain, plain, (value, other) => {
      const key = structuralKey(value);
      assert.equal(structuralKey(reordered(deserialize(serialize(value)))), key);
      if (structuralKey(other) === key) assert.ok(isSame(value, other));
      assert.notEqual(structuralKey([value]), key);
      assert.notEqual(structuralKey({ value }), key);
    }),
    { numRuns: 1000 },
  );
});

/** The same value with the keys of plain objects in reverse order. */
function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered);
  if (value === null || typeof value !== "object") return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, item]) => [name, reordered(item)]),
  );
}

function isSame(a: unknown, b: unknown): boolean {
  try {
    assert.deepStrictEqual(reordered(deserialize(serialize([a]))), reordered(deserialize(serialize([b]))));
    return true;
  } catch {
    return false;
  }
}
