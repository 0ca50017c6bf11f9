import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { FalServerlessError } from "../../src/errors.ts";
import { findInexactNumbers } from "../../src/json/exact-numbers.ts";
import { createSerializer } from "../../src/server/http/serializer.ts";
import { compileInput } from "../helpers/issues.ts";

/** Values that JSON cannot represent. */
const lost = fc.constantFrom<() => unknown>(
  () => new Map([[1, 2]]),
  () => new Set(),
  () => Buffer.from("x"),
  () => new Float64Array(2),
  () => Promise.resolve(1),
  () => new Response("x"),
  () => NaN,
  () => -Infinity,
  () => 5n,
  () => Symbol("x"),
  () => () => 1,
  () => /x/,
  () => new Error("x"),
  () => new Date(NaN),
);

interface Result {
  readonly value: unknown;
  readonly isLost: boolean;
}

const results: fc.Arbitrary<Result> = fc.letrec<{ result: Result }>((tie) => ({
  result: fc.oneof(
    { maxDepth: 5 },
    fc
      .oneof(
        fc.string({ unit: "grapheme" }),
        fc.boolean(),
        fc.constant(null),
        fc.integer(),
        fc.maxSafeInteger(),
      )
      .map((value) => ({ value, isLost: false })),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => ({ value, isLost: false })),
    fc.array(tie("result"), { maxLength: 4 }).map(listOf),
    fc.dictionary(fc.string(), tie("result"), { maxKeys: 4, noNullPrototype: true }).map((fields) => ({
      value: Object.fromEntries(Object.entries(fields).map(([key, { value }]) => [key, value])),
      isLost: Object.values(fields).some(({ isLost }) => isLost),
    })),
    { weight: 1, arbitrary: lost.map((make) => ({ value: make(), isLost: true })) },
  ),
})).result;

function listOf(items: readonly Result[]): Result {
  return { value: items.map(({ value }) => value), isLost: items.some(({ isLost }) => isLost) };
}

test("sent JSON parses to the same value, or the value is refused by name, with and without a schema", () => {
  const serializers = [
    createSerializer(undefined, "run"),
    createSerializer(compileInput({}), "run"),
    createSerializer(
      compileInput({ type: ["object", "array", "string", "number", "boolean", "null"] }),
      "run",
    ),
  ];
  let refused = 0;
  fc.assert(
    fc.property(results, fc.constantFrom(...serializers), ({ value, isLost }, serialize) => {
      let text: string;
      try {
        text = serialize(value);
      } catch (error) {
        assert.ok(error instanceof Error);
        assert.match(error.message, /^run\(\) returned /);
        assert.ok(isLost, error.message);
        if (error instanceof FalServerlessError && error.code === "OUTPUT_UNSENDABLE") refused++;
        return;
      }
      assert.ok(!isLost, `went out as ${text}`);
      // JSON.stringify writes 0 and -0 alike.
      assert.deepEqual(JSON.stringify(JSON.parse(text)), JSON.stringify(value));
    }),
    { numRuns: 1000 },
  );
  assert.ok(refused > 50, `only ${refused} were refused`);
});

test("an accepted integer keeps its digits or its exact value; any other is reported", () => {
  const literal = fc
    .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 25n }))
    .map(([isNegative, value]) => `${isNegative ? "-" : ""}${value}`);
  fc.assert(
    fc.property(literal, fc.nat(3), (written, index) => {
      const list = ["1", '"9007199254740993"', "0.1", "[]"];
      list[index] = written;
      const [found, ...others] = findInexactNumbers(`{"a":[${list.join(", ")}]}`);
      assert.equal(others.length, 0);
      const value = Number(written);
      const isKept = BigInt(value) === BigInt(written) || String(value) === written;
      if (isKept) assert.equal(found, undefined);
      else assert.deepEqual(found, { literal: written, path: ["a", index], isInfinite: false });
    }),
    { numRuns: 2000 },
  );
});
