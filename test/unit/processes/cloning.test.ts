import assert from "node:assert/strict";
import { test } from "node:test";
import { describeUncloneable, isCloneable } from "../../../src/processes/cloning.ts";

test("plain data can be sent; functions, symbols, promises and streams cannot", () => {
  for (const value of [undefined, 1, "a", [new Date(), new Map(), Buffer.from("a")], new Error("x")]) {
    assert.ok(isCloneable(value));
  }
  for (const value of [
    Symbol("s"),
    () => 1,
    [Promise.resolve()],
    { a: new WeakSet() },
    (function* () {})(),
  ]) {
    assert.ok(!isCloneable(value));
  }
});

test("a value that cannot be sent is reported with its path", () => {
  assert.equal(
    describeUncloneable(() => 1),
    "it is a function",
  );
  assert.equal(describeUncloneable({ a: [1, { load: () => 1 }] }), "a.1.load is a function");
  assert.equal(describeUncloneable({ answer: Promise.resolve(1) }), "answer is a Promise");
  assert.equal(describeUncloneable([Symbol("s")]), "0 is a symbol");
  const getter = Object.defineProperty({}, "now", {
    enumerable: true,
    get() {
      throw new Error("no");
    },
  });
  assert.equal(describeUncloneable({ getter }), "it can't be read");
});
