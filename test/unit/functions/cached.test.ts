import assert from "node:assert/strict";
import { test } from "node:test";
import { FalSerializationError } from "../../../src/errors.ts";
import { cached } from "../../../src/functions/cached.ts";
import { thrownBy } from "../../helpers/thrown.ts";

/** A cached function that counts its runs. */
function counted<Args extends unknown[]>(): ((...args: Args) => number) & { runs(): number } {
  let runs = 0;
  const call = cached((..._args: Args): number => ++runs);
  return Object.assign(call, { runs: () => runs });
}

test("a function runs once for equal arguments, and again for different ones", () => {
  const call = counted<unknown[]>();
  assert.equal(call("a", 1), 1);
  assert.equal(call("a", 1), 1);
  assert.equal(call("a", 2), 2);
  assert.equal(call("a"), 3);
  assert.equal(call(), 4);
  assert.equal(call(), 4);
});

const point = { x: 1 };
const cycle: { next?: unknown } = {};
cycle.next = cycle;
const otherCycle: { next?: unknown } = {};
otherCycle.next = otherCycle;
const fraction = { x: 0.5 };
fraction.x += 0.5;
const SAME: readonly (readonly [what: string, one: unknown, other: unknown])[] = [
  ["objects with their keys in another order", { a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }],
  ["a number that was a fraction", { x: 1 }, fraction],
  ["a text that was part of a wider one", "abc", "漢abc".slice(1)],
  ["shared parts and copies", [point, point], [{ x: 1 }, { x: 1 }]],
  ["cycles", cycle, otherCycle],
  ["maps", new Map([[{ a: 1 }, [1n]]]), new Map([[{ a: 1 }, [1n]]])],
  ["dates", new Date(5), new Date(5)],
  ["bytes, by what a view shows of them", new Uint8Array([2]), new Uint8Array([1, 2, 3]).subarray(1, 2)],
  ["errors", new RangeError("a", { cause: 1 }), new RangeError("a", { cause: 1 })],
  ["numbers that are none", Number.NaN, Number.NaN],
  ["long texts", "x".repeat(10_000), "x".repeat(10_000)],
];
for (const [what, one, other] of SAME) {
  test(`equal arguments: ${what}`, () => {
    const call = counted<[unknown]>();
    assert.equal(call(one), call(other));
  });
}

class Circle {
  size = 1;
}
class Square {
  size = 1;
}
class Token {
  readonly #secret: string;
  constructor(secret: string) {
    this.#secret = secret;
  }
  label = "token";
  reveal(): string {
    return this.#secret;
  }
}
const DIFFERENT: readonly (readonly [what: string, one: unknown, other: unknown])[] = [
  ["a text and a number", "1", 1],
  ["a number and a bigint", 1, 1n],
  ["undefined and null", undefined, null],
  ["the two zeros", 0, -0],
  ["a list and an object", ["a"], { 0: "a" }],
  ["a set and a list", new Set([1]), [1]],
  [
    "maps in another order",
    new Map([
      [1, 1],
      [2, 2],
    ]),
    new Map([
      [2, 2],
      [1, 1],
    ]),
  ],
  ["a hole and undefined", Array(1), [undefined]],
  ["lists of another length", [1], [1, undefined]],
  ["a list with a name of its own", [1], Object.assign([1], { name: 1 })],
  ["bytes of another type", new Uint8Array(2), new Int8Array(2)],
  ["a buffer and plain bytes", Buffer.from([1]), new Uint8Array([1])],
  ["instances of different classes", new Circle(), new Square()],
  ["an instance and a plain object", new Circle(), { size: 1 }],
  ["instances with private fields", new Token("a"), new Token("b")],
  ["errors with another cause", new Error("a", { cause: 1 }), new Error("a")],
  ["texts that look like others joined", ["a,b"], ["a", "b"]],
  ["long texts that differ at the end", `${"x".repeat(10_000)}a`, `${"x".repeat(10_000)}b`],
];
for (const [what, one, other] of DIFFERENT) {
  test(`different arguments: ${what}`, () => {
    const call = counted<[unknown]>();
    assert.notEqual(call(one), call(other));
  });
}

test("an instance of a class is equal to itself until one of its fields changes", () => {
  const call = counted<[unknown]>();
  const circle = new Circle();
  assert.equal(call(circle), 1);
  assert.equal(call(circle), 1);
  circle.size = 2;
  assert.equal(call(circle), 2);
});

test("heavily shared parts of an argument are hashed only once", () => {
  let value: unknown = 1;
  for (let level = 0; level < 500; level++) value = { a: value, b: [value, value] };
  const call = counted<[unknown]>();
  assert.equal(call(value), call(structuredClone(value)));
});

test("calls during the first run share its promise", async () => {
  let runs = 0;
  const { promise, resolve } = promiseWithResolver();
  const load = cached(async (name: string) => {
    runs++;
    await promise;
    return { name };
  });
  const first = load("a");
  const second = load("a");
  const other = load("b");
  assert.equal(first, second);
  resolve();
  assert.deepEqual(await Promise.all([first, second, other]), [{ name: "a" }, { name: "a" }, { name: "b" }]);
  assert.equal(await load("a"), await first);
  assert.equal(runs, 2);
});

function promiseWithResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

test("a rejection is not cached, and every waiting call receives it", async () => {
  let runs = 0;
  const load = cached(async () => {
    if (++runs === 1) throw new Error("no network");
    return runs;
  });
  const results = await Promise.allSettled([load(), load()]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.equal(await load(), 2);
  assert.equal(await load(), 2);
});

test("a thrown error is not cached", () => {
  let runs = 0;
  const load = cached(() => {
    if (++runs === 1) throw new Error("no file");
    return runs;
  });
  assert.throws(load, /no file/);
  assert.equal(load(), 2);
  assert.equal(load(), 2);
});

test("undefined is cached like any result", () => {
  let runs = 0;
  const call = cached(() => void runs++);
  call();
  call();
  assert.equal(runs, 1);
});

test("each call of a generator function returns a new generator", () => {
  const count = cached(function* (to: number) {
    for (let number = 0; number < to; number++) yield number;
  });
  assert.deepEqual([...count(3)], [0, 1, 2]);
  assert.deepEqual([...count(3)], [0, 1, 2]);
});

test("`this` is passed on and is not part of the cache key", () => {
  class Shop {
    static loads = 0;
    name = "first";
    describe = cached(function (this: Shop, what: string): string {
      Shop.loads++;
      return `${this.name} ${what}`;
    });
  }
  const shop = new Shop();
  assert.equal(shop.describe("shop"), "first shop");
  assert.equal(shop.describe.call(Object.assign(new Shop(), { name: "second" }), "shop"), "first shop");
  assert.equal(Shop.loads, 1);
});

test("caching a function twice is the same as caching it once", () => {
  let runs = 0;
  const run = (): number => ++runs;
  assert.equal(cached(run)(), 1);
  assert.equal(cached(run)(), 1);
  assert.equal(cached(() => ++runs)(), 2);
});

test("a cached function keeps its name and its length", () => {
  const add = cached(function sum(a: number, b: number) {
    return a + b;
  });
  assert.equal(add.name, "sum");
  assert.equal(add.length, 2);
});

test("an argument that cannot be compared is rejected with its path, and the function does not run", () => {
  let runs = 0;
  const load = cached(function load(_options: unknown, _more?: unknown) {
    runs++;
  });
  const error = thrownBy(() => load(1, { on: [() => 1] }));
  assert.ok(error instanceof FalSerializationError);
  assert.match(error.message, /^argument 2 of load\(\): on\[0\] is a function; /);
  assert.match(
    (thrownBy(() => cached((_url: URL) => 1)(new URL("http://localhost/"))) as Error).message,
    /^argument 1 of the cached function is a URL; pass url\.href$/,
  );
  assert.equal(runs, 0);
});

test("a value that is not a function is rejected immediately", () => {
  for (const value of [5, undefined, null, {}]) {
    assert.throws(() => cached(value as never), {
      code: "FUNCTION_OPTION_INVALID",
      message: /cached\(\) takes a function; got /,
    });
  }
});
