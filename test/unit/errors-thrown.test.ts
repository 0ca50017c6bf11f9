import assert from "node:assert/strict";
import { test } from "node:test";
import { answerFor } from "../../src/answers.ts";
import { AppException, FieldException } from "../../src/errors.ts";

const INTERNAL = { status: 500, body: { detail: "Internal Server Error" }, unexpected: true };

function fail(): never {
  throw new Error("a trap");
}

/** Throws on every operation. */
const hostile = (target: object): object =>
  new Proxy(target, {
    get: fail,
    has: fail,
    getPrototypeOf: fail,
    getOwnPropertyDescriptor: fail,
    ownKeys: fail,
  });

const throwing = (base: Error, key: string): Error => Object.defineProperty(base, key, { get: fail });
const revoked = Proxy.revocable({}, {});
revoked.revoke();

const ODD: readonly (readonly [what: string, value: unknown])[] = [
  ["undefined", undefined],
  ["null", null],
  ["true", true],
  ["a number", 5],
  ["NaN", NaN],
  ["a bigint", 5n],
  ["an empty text", ""],
  ["a text", "it broke"],
  ["a symbol", Symbol("cudaless")],
  ["a function", fail],
  ["a class", Map],
  ["a plain object", { message: "it broke" }],
  ["an object without a prototype", Object.create(null)],
  ["a frozen object", Object.freeze({ code: "E" })],
  ["a frozen error", Object.freeze(new Error("it broke"))],
  ["a list", [1, 2]],
  ["a promise", Promise.resolve()],
  ["a proxy that fails on everything", hostile({})],
  ["an error in a proxy that fails on everything", hostile(new Error("it broke"))],
  ["one of our errors in such a proxy", hostile(new AppException("it broke"))],
  ["a revoked proxy", revoked.proxy],
  ["an object whose toString fails", { toString: fail }],
  ["an object whose toString gives no text", { toString: () => ({}) }],
  ["an error whose message fails", throwing(new Error("it broke"), "message")],
  [
    "an error whose message is a symbol",
    Object.assign(new Error("it broke"), { message: Symbol("no text") }),
  ],
  ["an AppException whose message fails", throwing(new AppException("it broke"), "message")],
  ["an AppException whose status fails", throwing(new AppException("it broke"), "statusCode")],
  ["a FieldException whose field fails", throwing(new FieldException("a", "b"), "field")],
  ["an object that is the cause of itself", Object.assign(new Error("it broke"), { cause: "itself" })],
];

for (const [what, value] of ODD) {
  test(`${what}, thrown, is answered as an internal error`, () => {
    assert.deepEqual(answerFor(value), INTERNAL);
  });
}

test("a very long message is searched quickly", () => {
  const started = performance.now();
  for (const words of ["CUDA ", "out of memory ", "cud", "CUDA out of "])
    answerFor(new Error(words.repeat(20_000)));
  assert.ok(performance.now() - started < 1000);
});

test("the answer can always be sent as JSON, and never contains a stack", () => {
  for (const [, value] of ODD) {
    const text = JSON.stringify(answerFor(value).body);
    assert.ok(!text.includes("at ") && !text.includes("it broke"), text);
  }
});

test("answers are independent of each other: changing one changes no other", () => {
  const first = answerFor(new FieldException("a", "b", { billableUnits: 1 }));
  first.headers = { changed: "yes" };
  assert.deepEqual(answerFor(new FieldException("a", "b", { billableUnits: 1 })).headers, {
    "x-fal-billable-units": "1",
  });
});
