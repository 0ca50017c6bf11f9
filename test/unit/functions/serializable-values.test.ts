import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { createHash, createSecretKey, webcrypto } from "node:crypto";
import { EventEmitter } from "node:events";
import { BlockList } from "node:net";
import * as path from "node:path";
import { Readable, Writable } from "node:stream";
import { test } from "node:test";
import { deserialize, serialize } from "node:v8";
import { createContext, runInContext } from "node:vm";
import { FalSerializationError } from "../../../src/errors.ts";
import {
  assertSerializable,
  MAX_DEPTH,
  serializationFailure,
} from "../../../src/functions/serializable-values.ts";
import { thrownBy } from "../../helpers/thrown.ts";

const LABEL = "argument 1 of speak()";

/** The message for a rejected value, without the label. */
function refusalOf(value: unknown): string {
  const error = thrownBy(() => assertSerializable(value, LABEL));
  assert.ok(error instanceof FalSerializationError, String(error));
  assert.equal(error.code, "SERIALIZATION_FAILED");
  assert.ok(error.message.startsWith(LABEL), error.message);
  return error.message.slice(LABEL.length);
}

function roundTrip(value: unknown): unknown {
  assertSerializable(value, LABEL);
  return deserialize(serialize(value));
}

const realm = createContext({});
const elsewhere = (code: string): unknown => runInContext(code, realm);

class Circle {
  radius = 2;
  area(): number {
    return this.radius ** 2;
  }
}

class Sealed {
  readonly #secret = 5;
  reveal(): number {
    return this.#secret;
  }
}

const cycle: { self?: unknown; list: unknown[] } = { list: [] };
cycle.self = cycle;
cycle.list.push(cycle.list, cycle);

const PLAIN: Readonly<Record<string, unknown>> = {
  primitives: [undefined, null, true, 0, -0, Number.NaN, Infinity, 5n, "text", "\ud800"],
  date: new Date(5),
  map: new Map<unknown, unknown>([[{ a: 1 }, new Set([[1]])]]),
  bytes: [Buffer.from("a"), new Uint8Array(2), new DataView(new ArrayBuffer(3)), new ArrayBuffer(0)],
  "shared bytes": new Uint8Array(new SharedArrayBuffer(2)),
  expression: /a/gi,
  boxed: [Object("a"), Object(1), Object(false), Object(5n)],
  error: new RangeError("no", { cause: new Map([["why", new Date(1)]]) }),
  cycle,
  sparse: Object.assign(Array(5), { 3: 1 }),
  "a match": /(a)/.exec("a"),
};
for (const [name, value] of Object.entries(PLAIN)) {
  test(`plain data is serialized: ${name}`, () => {
    assert.deepEqual(roundTrip(value), value);
  });
}

test("an instance of a class is serialized as a plain object", () => {
  assert.deepEqual(roundTrip({ shape: new Circle() }), { shape: { radius: 2 } });
});

test("an object without a prototype arrives with one", () => {
  assert.deepEqual(roundTrip(Object.assign(Object.create(null), { a: 1 })), { a: 1 });
});

test("an invalid date stays an invalid date", () => {
  assert.ok(Number.isNaN((roundTrip(new Date(Number.NaN)) as Date).getTime()));
});

test("data of another realm is accepted", () => {
  const code = "({ a: [new Map([[1, new Date(5)]]), new Uint8Array(2), new Error('x')], empty: {} })";
  assertSerializable(elsewhere(code), LABEL);
});

test("functions, classes and symbols are rejected", () => {
  assert.match(
    refusalOf(() => 1),
    /^ is a function; pass plain data/,
  );
  assert.match(
    refusalOf(async function* named() {}),
    /^ is a function;/,
  );
  assert.match(refusalOf(Circle), /^ is a class; pass plain data/);
  assert.match(refusalOf(elsewhere("() => 1")), /^ is a function;/);
  assert.equal(refusalOf(Symbol("s")), " is a symbol; pass a text");
  assert.equal(refusalOf(Object(Symbol("s"))), " is a symbol; pass a text");
});

const FUNCTION = " is a function; pass plain data, and import the function where it is called";
const UNSERIALIZABLE: readonly (readonly [path: string, value: unknown])[] = [
  ["options.pictures[0].load", { options: { pictures: [{ load: () => 1 }] } }],
  ["[1][0]", [1, [() => 1]]],
  ['["two words"]["1"]', { "two words": { 1: () => 1 } }],
  ["grün.$_1", { grün: { $_1: () => 1 } }],
  ['sizes.get("a")', { sizes: new Map([["a", () => 1]]) }],
  ["sizes.get(5)[0]", { sizes: new Map([[5, [() => 1]]]) }],
  [
    "sizes.values()[1]",
    {
      sizes: new Map<unknown, unknown>([
        [{}, 1],
        [{}, () => 1],
      ]),
    },
  ],
  [
    "sizes.keys()[1]",
    {
      sizes: new Map<unknown, unknown>([
        [1, 1],
        [() => 1, 1],
      ]),
    },
  ],
  ["tags.values()[2].a", { tags: new Set([1, 2, { a: () => 1 }]) }],
  ["error.cause[0]", { error: new Error("x", { cause: [() => 1] }) }],
  ["list.name", { list: Object.assign([1, 2], { name: () => 1 }) }],
  ["list[3]", { list: Object.assign(Array(9), { 3: () => 1 }) }],
  ["shape.draw", { shape: Object.assign(new Circle(), { draw: () => 1 }) }],
  ["[4000000000]", Object.assign([], { 4_000_000_000: () => 1 })],
];
for (const [path, value] of UNSERIALIZABLE) {
  test(`a value that cannot be serialized is reported at ${path}`, () => {
    assert.equal(refusalOf(value), `: ${path}${FUNCTION}`);
  });
}

test("of several values that cannot be serialized, the first one is reported", () => {
  assert.match(refusalOf({ a: { b: [1, () => 1] }, c: () => 1 }), /^: a\.b\[1\] is a function/);
});

test("a shared value is checked only once", () => {
  const shared = { deep: [1] };
  assert.match(refusalOf([shared, cycle, shared, { cycle, f: () => 1 }]), /^: \[3\]\.f is a function/);
});

class Query {
  rows = [];
}
const query = new Query();
// eslint-disable-next-line unicorn/no-thenable -- as query builders do
Object.defineProperty(Query.prototype, "then", { value: () => {} });
const { signal } = new AbortController();
const response = new Response("x");
const THINGS: readonly (readonly [value: unknown, said: RegExp])[] = [
  [new URL("http://localhost/"), /is a URL; pass url\.href/],
  [new URLSearchParams("a=1"), /is a URLSearchParams; pass params\.toString\(\)/],
  [new Headers({ a: "1" }), /is a Headers; pass Object\.fromEntries\(headers\)/],
  [new Request("http://localhost/"), /is a Request; /],
  [response, /is a Response; .*arrayBuffer\(\)/],
  [new FormData(), /is a FormData; /],
  [new Blob(["x"]), /is a Blob; pass new Uint8Array\(await blob\.arrayBuffer\(\)\)/],
  [signal, /is an AbortSignal; .*\{ signal \}/],
  [new AbortController(), /is an AbortController; /],
  [new ReadableStream(), /is a ReadableStream; read it first/],
  [new WritableStream(), /is a WritableStream; /],
  [new TransformStream(), /is a TransformStream, /],
  [Readable.from(["x"]), /is a Readable, a stream; read it first/],
  [new Writable(), /is a Writable, a stream; /],
  [createHash("sha256"), /is a Hash, a stream; /],
  [new EventEmitter(), /is an EventEmitter; pass plain data/],
  [new (class Radio extends EventEmitter {})(), /is a Radio, an EventEmitter; /],
  [new EventTarget(), /is an EventTarget, of which nothing would arrive; /],
  [new Event("x"), /is an Event, /],
  [new TextDecoder(), /is a TextDecoder, /],
  [new DOMException("x", "AbortError"), /is a DOMException; pass new Error\(error\.message\)/],
  [Promise.resolve(), /is a Promise; await it first/],
  [elsewhere("Promise.resolve()"), /is a Promise; await it first/],
  [Object.assign(Promise.resolve(), { extra: 1 }), /is a Promise; /],
  [query, /is a Query, a promise; await it first/],
  [new WeakMap(), /is a WeakMap; pass a Map/],
  [elsewhere("new WeakSet()"), /is a WeakSet; pass a Set/],
  [new WeakRef({}), /is a WeakRef; /],
  [new FinalizationRegistry(() => {}), /is a FinalizationRegistry, /],
  [(function* () {})(), /is a generator; pass its items, as an array/],
  [(async function* () {})(), /is a generator; /],
  [new Map().entries(), /is a Map Iterator; pass its items, as an array/],
  [[1][Symbol.iterator](), /is an Array Iterator; /],
  [new Intl.NumberFormat(), /is an Intl\.NumberFormat, /],
  [new Proxy({ a: 1 }, {}), /is a Proxy; pass a plain copy/],
  [new Proxy([], {}), /is a Proxy; /],
  [new Proxy(new Map(), {}), /is a Proxy; /],
  [new SharedArrayBuffer(8), /is a SharedArrayBuffer; pass a copy/],
  [new MessageChannel(), /: at\[0\]\.port1 is a MessagePort, /],
  [setTimeout(() => {}, 0), /is a Timeout, a handle of this process; /],
  [new AsyncLocalStorage(), / is a/],
  [createSecretKey(Buffer.from("a")), /is a KeyObject; pass key\.export\(\)/],
  [webcrypto.subtle, /is a SubtleCrypto, /],
  [new BlockList(), /is a BlockList, /],
  [path, /is a module; pass what is needed of it/],
  [
    (function () {
      return arguments;
    })(),
    /is an arguments object; pass \[\.\.\.arguments\]/,
  ],
  [new Sealed(), /is a Sealed, of which nothing would arrive; pass plain data/],
  [process, /is a process, an EventEmitter; /],
];
for (const [value, said] of THINGS) {
  test(`a value bound to this process is rejected by its type: ${said.source.slice(0, 40)}`, () => {
    assert.match(refusalOf({ at: [value] }), said);
    assert.match(refusalOf({ at: [value] }), /^: at\[0\]/);
  });
}

test("transferred buffers are rejected", () => {
  const buffer = new ArrayBuffer(8);
  const view = new Uint8Array(buffer);
  structuredClone(buffer, { transfer: [buffer] });
  assert.match(refusalOf({ buffer }), /^: buffer has been transferred elsewhere/);
  assert.match(refusalOf({ view }), /^: view has been transferred elsewhere/);
});

test("a getter that throws is reported with what it threw", () => {
  const value = {
    get now(): never {
      throw new Error("too late");
    },
  };
  assert.equal(refusalOf({ value }), `: value.now can't be read: its getter threw "too late"`);
  const error = Object.assign(new Error("x"), { name: Symbol("s") });
  assert.match(refusalOf({ error }), /^: error can't be read: its name threw/);
});

test("an error thrown by a value never reaches the caller", () => {
  const thrown = Object.create(null) as Error;
  const value = {
    get a(): never {
      throw thrown;
    },
  };
  assert.match(refusalOf(value), /^: a can't be read/);
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  assert.match(refusalOf([revoked.proxy]), /^: \[0\] is a Proxy/);
});

function nested(depth: number, wrap: (value: unknown) => unknown, innermost: unknown = 1): unknown {
  let value = innermost;
  for (let level = 0; level < depth; level++) value = wrap(value);
  return value;
}

const WRAPS: Readonly<Record<string, (value: unknown) => unknown>> = {
  objects: (a) => ({ a }),
  arrays: (a) => [a],
  maps: (a) => new Map([[1, a]]),
  sets: (a) => new Set([a]),
  errors: (cause) => new Error("x", { cause }),
};
for (const [name, wrap] of Object.entries(WRAPS)) {
  test(`${name} can be nested ${MAX_DEPTH} levels deep; deeper ones are rejected, at any depth`, () => {
    serialize(deserialize(serialize(nested(MAX_DEPTH, wrap))));
    assertSerializable(nested(MAX_DEPTH, wrap), LABEL);
    for (const depth of [MAX_DEPTH + 1, 100_000]) {
      const said = refusalOf(nested(depth, wrap));
      assert.match(said, /nested deeper than 1000 levels; pass a flat list$/);
      assert.ok(said.length < 300);
    }
  });
}

test("depth is measured along the path that serialization takes, even if there is a shorter one", () => {
  const list: { next?: unknown }[] = Array.from({ length: 5000 }, () => ({}));
  for (const [index, node] of list.entries()) node.next = list[index + 1];
  assert.match(refusalOf(list), /nested deeper/);
});

test("large data is checked quickly", () => {
  const numbers = Array.from({ length: 1_000_000 }, (_, index) => index);
  const large = {
    bytes: new Uint8Array(100_000_000),
    numbers,
    holes: Object.assign([], { 4_000_000_000: 1 }),
  };
  const start = process.cpuUsage(); // CPU time, because the machine may be busy
  assertSerializable(large, LABEL);
  assert.ok(process.cpuUsage(start).user < 200_000); // measured: 5 ms
});

test("a value on which serialization fails is found by a full check; otherwise the error of serialization is reported", () => {
  const long = Object.assign(
    Array.from({ length: 5000 }, () => 1),
    { load: () => 1 },
  );
  assertSerializable({ long }, LABEL); // the first check skips named properties of long lists
  const thrown = thrownBy(() => serialize({ long }));
  const found = serializationFailure(thrown, { long }, LABEL);
  assert.equal(found.message, `${LABEL}: long.load${FUNCTION}`);
  assert.equal(found.cause, thrown);
  const unknown = serializationFailure(new Error("no memory"), 5, LABEL);
  assert.equal(unknown.message, `${LABEL} can't be sent to another process: no memory`);
  const deep = serializationFailure(new RangeError("Maximum call stack size exceeded"), 5, LABEL);
  assert.match(deep.message, /it is too large or nested too deeply$/);
});
