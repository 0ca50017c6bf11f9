import assert from "node:assert/strict";
import { test } from "node:test";
import { deserialize, serialize } from "node:v8";
import { answerFor } from "../../../src/answers.ts";
import * as errors from "../../../src/errors.ts";
import {
  AppException,
  BatchItemErrors,
  BodyError,
  CUDAOutOfMemoryException,
  FalServerlessError,
  FieldException,
  GPUException,
  InputValidationError,
  OverloadException,
  QueueTimeoutException,
  RequestCancelledException,
  RequestTimeoutException,
  WorkerDiedException,
} from "../../../src/errors.ts";
import { decodeThrown, encodeThrown, type WireThrown } from "../../../src/processes/thrown-codec.ts";
import { secondCopy } from "../../helpers/second-copy.ts";

/** Sends a value to another process and back, as far as the codec is concerned. */
function roundTrip(thrown: unknown): unknown {
  return decodeThrown(deserialize(serialize(encodeThrown(thrown))) as WireThrown);
}

const OURS: readonly FalServerlessError[] = [
  new AppException("no", 418),
  new FieldException("a", "b", { statusCode: 400, type: "t", billableUnits: 1.5 }),
  new RequestCancelledException(),
  new RequestTimeoutException(5),
  new QueueTimeoutException(5, true),
  new GPUException(),
  new CUDAOutOfMemoryException(),
  new OverloadException("full", 429, 1000, "QUEUE_FULL"),
  new InputValidationError([{ type: "missing", loc: ["body", "a"], msg: "Field required", input: { b: 1 } }]),
  new BodyError("BODY_TOO_LARGE"),
  new WorkerDiedException("SIGKILL"),
];

for (const error of OURS) {
  test(`${error.name} (${error.code}) arrives with its class, its fields and its answer`, () => {
    const arrived = roundTrip(error) as FalServerlessError;
    assert.equal(Object.getPrototypeOf(arrived), Object.getPrototypeOf(error));
    assert.ok(arrived instanceof FalServerlessError);
    assert.deepEqual({ ...arrived }, { ...error });
    assert.equal(arrived.message, error.message);
    assert.equal(arrived.name, error.name);
    assert.equal(arrived.stack, error.stack);
    assert.deepEqual(answerFor(arrived), answerFor(error));
    assert.deepEqual(Object.keys(arrived), Object.keys(error));
  });
}

test("every error class of this package is recognised by its brand", () => {
  for (const [name, value] of Object.entries(errors)) {
    if (typeof value !== "function" || !(value.prototype instanceof Error)) continue;
    const error = new Error("any");
    Object.setPrototypeOf(error, value.prototype as object);
    assert.equal(Object.getPrototypeOf(roundTrip(error)), value.prototype, name);
  }
});

test("an error of another installed copy becomes one of this copy", async () => {
  const copy = await secondCopy()<typeof errors>("errors.ts");
  const arrived = roundTrip(new copy.FieldException("a", "b"));
  assert.equal(Object.getPrototypeOf(arrived), FieldException.prototype);
});

test("an error of a user's class becomes one of the nearest known class, with its name and fields", () => {
  class Refusal extends AppException {
    readonly hint = "less";
  }
  class Odd extends TypeError {
    override readonly name = "Odd";
  }
  const refusal = roundTrip(new Refusal("no", 400)) as Refusal;
  assert.equal(Object.getPrototypeOf(refusal), AppException.prototype);
  assert.equal(refusal.hint, "less");
  const odd = roundTrip(new Odd("why")) as Error;
  assert.ok(odd instanceof TypeError);
  assert.equal(odd.name, "Odd");
});

test("causes, and errors inside fields, keep their class", () => {
  const cause = new AppException("inner", 400, { cause: new RangeError("innermost") });
  const arrived = roundTrip(new Error("outer", { cause })) as Error;
  assert.ok(arrived.cause instanceof AppException);
  assert.ok(arrived.cause.cause instanceof RangeError);
  const many = roundTrip(new AggregateError([new TypeError("a"), "b"], "many")) as AggregateError;
  assert.ok(many instanceof AggregateError);
  assert.ok(many.errors[0] instanceof TypeError);
  assert.equal(many.errors[1], "b");
  const holder = roundTrip(Object.assign(new Error("x"), { first: new FieldException("a", "b") }));
  assert.ok((holder as { first: unknown }).first instanceof FieldException);
});

test("the results of a failed batch arrive complete, however many items failed", () => {
  const results = Array.from({ length: 300 }, (_, index) =>
    index % 3 === 0 ? index : new AppException("no", 409),
  );
  const arrived = roundTrip(new BatchItemErrors(results)) as BatchItemErrors;
  assert.ok(arrived instanceof BatchItemErrors);
  assert.deepEqual(arrived.results.map(answerFor), results.map(answerFor));
});

test("an AbortError keeps its name", () => {
  assert.equal((roundTrip(AbortSignal.abort().reason) as Error).name, "AbortError");
});

test("a thrown value that is not an error arrives unchanged if it can be cloned, otherwise as an error that shows it", () => {
  for (const value of [undefined, null, 0, "text", 1n, { a: [1] }]) assert.deepEqual(roundTrip(value), value);
  for (const value of [Symbol("s"), () => 1, { f: () => 1 }, new WeakMap(), Promise.resolve()]) {
    assert.ok(roundTrip(value) instanceof Error);
  }
});

test("errors that refer to each other arrive without the cycles", () => {
  const error: Error & { self?: unknown } = new Error("x");
  error.cause = error;
  error.self = error;
  const arrived = roundTrip(error) as { cause: Error; self: Error };
  assert.equal(arrived.cause.message, "x");
  assert.equal(arrived.cause.cause, undefined);
  assert.equal(arrived.self.message, "x");
});

const trap = (): never => {
  throw new Error("a trap");
};
const HOSTILE: Readonly<Record<string, () => unknown>> = {
  "a proxy whose traps all throw": () =>
    new Proxy(new Error("x"), { get: trap, getPrototypeOf: trap, ownKeys: trap, has: trap }),
  "getters that throw": () => {
    const error = new Error("x");
    assert.ok(error.stack); // formats the stack now, because formatting it later would trigger the trap
    const get = { get: trap };
    return Object.defineProperties(error, { message: get, stack: get, code: { ...get, enumerable: true } });
  },
  "a message that is no text": () => Object.assign(new Error("x"), { message: { toString: trap } }),
  "a name that is a symbol": () => Object.assign(new Error("x"), { name: Symbol("n") }),
  "an error that is its own cause": () => {
    const error = new Error("x");
    error.cause = error;
    return error;
  },
  "an error that is its own field": () => {
    const error = new Error("x") as Error & { self?: unknown; selves?: unknown };
    error.self = error;
    error.selves = [error, error];
    return error;
  },
  "a null prototype": () => Object.setPrototypeOf(new Error("x"), null) as unknown,
  "a field named __proto__": () =>
    Object.defineProperty(new Error("x"), "__proto__", { value: {}, enumerable: true }),
  "an object that can't be shown": () => ({ toString: trap, toJSON: trap, f: trap }),
  "a revoked proxy": () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
};
for (const [title, make] of Object.entries(HOSTILE)) {
  test(`${title} arrives as an error`, () => {
    const arrived = roundTrip(make());
    assert.ok(arrived instanceof Error);
    assert.equal(typeof arrived.message, "string");
    assert.equal(answerFor(arrived).status, 500);
  });
}
