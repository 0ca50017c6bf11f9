import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FalSerializationError } from "../../src/errors.ts";
import { count, echo, foreign, makePoint, nothing, Point, sum } from "../fixtures/functions/values.ts";
import { useFunctionCache } from "../helpers/function-cache.ts";

useFunctionCache();

describe("values passed in both directions arrive equal:", () => {
  const values: [what: string, value: unknown][] = [
    ["texts, with every kind of character", "naïve 😀 \u0000 \ud800 end"],
    ["numbers, with the odd ones", [0, -0, 1.5, NaN, Infinity, -Infinity, Number.MAX_SAFE_INTEGER]],
    ["bigints", [0n, -(2n ** 200n)]],
    ["nothing", [undefined, null]],
    ["dates", [new Date(0), new Date(8.64e15)]],
    [
      "maps with keys of any kind",
      new Map<unknown, unknown>([
        ["a", 1],
        [{ b: 1 }, new Map([[1, 2]])],
      ]),
    ],
    ["sets", new Set<unknown>([1, "1", new Set([2])])],
    ["regular expressions", /a(?<name>b)+/giu],
    [
      "typed arrays of every kind",
      [new Uint8Array([1, 2]), new Float64Array([1.5]), new BigInt64Array([-1n])],
    ],
    ["a part of a buffer", new Uint8Array([1, 2, 3, 4]).subarray(1, 3)],
    ["array buffers and views", [new Uint8Array([7]).buffer, new DataView(new ArrayBuffer(3))]],
    ["lists with holes", [, 1, , 2]], // oxlint-disable-line no-sparse-arrays -- sparse arrays are under test
    [
      "objects without a prototype, as plain ones",
      { ...Object.assign(Object.create(null) as object, { a: 1 }) },
    ],
    ["names that are dangerous elsewhere", JSON.parse('{"__proto__": {"a": 1}, "constructor": 1}')],
    ["a large list", Array.from({ length: 50_000 }, (_, index) => ({ index }))],
  ];
  for (const [what, value] of values) {
    test(what, async () => {
      const { value: back, kind } = await echo(value);
      assert.deepEqual(back, value);
      assert.equal(kind, Object.prototype.toString.call(value));
    });
  }

  test("an invalid date", async () => {
    const { value } = await echo(new Date(NaN));
    assert.ok(value instanceof Date);
    assert.equal(value.getTime(), NaN);
  });

  test("cycles, and an object that occurs twice", async () => {
    interface Node {
      name: string;
      self?: Node;
      pair: readonly object[];
    }
    const shared = { a: 1 };
    const node: Node = { name: "n", pair: [shared, shared] };
    node.self = node;
    const back = (await echo(node)).value as Node;
    assert.equal(back.self, back);
    assert.equal(back.pair[0], back.pair[1]);
    assert.deepEqual(back.pair[0], shared);
  });

  test("errors with their class, message, stack and causes", async () => {
    const error = new RangeError("outer", { cause: new TypeError("inner", { cause: { code: 7 } }) });
    const back = (await echo(error)).value as RangeError;
    assert.ok(back instanceof RangeError);
    assert.equal(back.message, "outer");
    assert.equal(back.stack, error.stack);
    assert.ok(back.cause instanceof TypeError);
    assert.deepEqual(back.cause.cause, { code: 7 });
  });

  test("a buffer of 100 MB", async () => {
    const bytes = new Uint8Array(100e6).fill(3);
    const { total, bytes: back } = await sum(bytes);
    assert.equal(total, Math.ceil(100e6 / 4096) * 3);
    assert.equal(back.length, 100e6);
    assert.equal(back[99_999_999], total % 256);
  });

  test("no result, and any number of arguments", async () => {
    assert.equal(await nothing(), undefined);
    assert.equal(await count(), 0);
    assert.equal(await count(undefined, undefined), 2);
    assert.equal(await count(...Array.from({ length: 1000 }, () => 1)), 1000);
  });

  test("an instance of a class, as a plain object with its fields", async () => {
    const { value, kind } = await echo(new Point(2));
    assert.deepEqual(value, { x: 2 });
    assert.equal(kind, "[object Object]");
    const made = await makePoint(3);
    assert.deepEqual(made, { x: 3 });
    assert.equal(made instanceof Point, false);
  });
});

describe("a value that can't be serialized is refused with its path:", () => {
  const cases: [what: string, value: unknown, message: string | RegExp][] = [
    ["a function", () => 1, /^argument 1 of echo\(\) is a function; pass plain data/],
    [
      "a function in a list",
      { options: [{ load: () => 1 }] },
      /^argument 1 of echo\(\): options\[0\]\.load is a function/,
    ],
    [
      "a stream",
      { body: new ReadableStream() },
      /^argument 1 of echo\(\): body is a ReadableStream; read it first/,
    ],
    ["a promise", [Promise.resolve(1)], /^argument 1 of echo\(\): \[0\] is a Promise; await it first/],
    ["a symbol", new Map([["key", Symbol("s")]]), /^argument 1 of echo\(\): \.?get\("key"\) is a symbol/],
    ["a class", Point, /^argument 1 of echo\(\) is a class/],
  ];
  for (const [what, value, message] of cases) {
    test(`${what} as an argument, before anything is started`, async () => {
      await assert.rejects(echo(value), (error) => {
        assert.ok(error instanceof FalSerializationError);
        assert.match(error.message, message as RegExp);
        assert.match(error.stack ?? "", /functions-values\.test\.ts/, "the stack leads to the call");
        return true;
      });
    });
  }

  const results: [what: string, message: RegExp][] = [
    ["function", /^the result of foreign\(\) is a function/],
    ["a function in a list", /^the result of foreign\(\): options\[0\]\.load is a function/],
    ["a stream", /^the result of foreign\(\): body is a ReadableStream/],
    ["a promise", /^the result of foreign\(\): later is a Promise/],
    ["a symbol", /^the result of foreign\(\): \.?get\("key"\) is a symbol/],
    ["a class", /^the result of foreign\(\) is a class/],
    ["a file's stream", /^the result of foreign\(\): input is a /],
  ];
  for (const [what, message] of results) {
    test(`${what} as a result; the worker is kept`, async () => {
      await assert.rejects(foreign(what), (error) => {
        assert.ok(error instanceof FalSerializationError);
        assert.match(error.message, message);
        return true;
      });
      assert.equal(await foreign("nothing of the kind"), undefined);
    });
  }

  test("the second argument is named in the error, also by submit and spawn", async () => {
    const name = /^argument 2 of count\(\) is a function/;
    await assert.rejects(
      count(1, () => 2),
      { message: name },
    );
    await assert.rejects(
      count.submit(1, () => 2),
      { message: name },
    );
    const refused = async (): Promise<unknown> => count.spawn(1, () => 2).result;
    await assert.rejects(refused, { message: name });
  });
});
