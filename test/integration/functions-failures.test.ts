import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import {
  AppException,
  FalMissingDependencyError,
  FalServerlessError,
  FieldException,
  GPUException,
  UserFunctionException,
} from "../../src/errors.ts";
import { findMissingDependencies } from "../../src/functions/missing-dependencies.ts";
import { fail, failInSetup, failWrapped, rejectInSetup } from "../fixtures/functions/failures.ts";
import * as late from "../fixtures/functions/missing-late.ts";
import { connect } from "../fixtures/functions/missing-static.ts";
import { useFunctionCache } from "../helpers/function-cache.ts";

useFunctionCache();

/** Resolves with the value that a promise rejects with. */
async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail("nothing was thrown");
}

/** Returns the number of the first line of a fixture that contains a text, from 1. */
function lineOf(file: string, text: string): number {
  const source = readFileSync(new URL(`../fixtures/functions/${file}`, import.meta.url), "utf8");
  return source.split("\n").findIndex((line) => line.includes(text)) + 1;
}

function versionOf(name: string): string {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

describe("a function's error reaches its caller:", () => {
  test("a built-in error, with its class and message", async () => {
    const error = await reasonOf(fail("range"));
    assert.ok(error instanceof RangeError);
    assert.equal(error.message, "out of range");
    assert.equal(Object.prototype.toString.call(error), "[object Error]");
  });

  test("an error of this package, with the status for a response", async () => {
    const error = await reasonOf(fail("app"));
    assert.ok(error instanceof AppException);
    assert.equal(error.statusCode, 418);
    assert.equal(error.message, "a teapot");
    assert.equal(error.code, "APP_EXCEPTION");
    assert.ok((await reasonOf(fail("field"))) instanceof FieldException);
    assert.ok((await reasonOf(fail("gpu"))) instanceof GPUException);
  });

  test("an error of a custom class, as the nearest known class, with its name and fields", async () => {
    const error = (await reasonOf(fail("own"))) as RangeError & { left: number; inner: unknown[] };
    assert.ok(error instanceof RangeError);
    assert.equal(error.name, "QuotaError");
    assert.equal(error.left, 3);
    assert.ok(error.inner[0] instanceof TypeError);
    assert.equal(error.inner[0].message, "in a list");
  });

  test("an error with its causes, and with the errors of an AggregateError", async () => {
    const error = (await reasonOf(fail("causes"))) as Error;
    assert.ok(error.cause instanceof TypeError);
    assert.ok(error.cause.cause instanceof RangeError);
    assert.equal(error.cause.cause.message, "inner");
    const all = await reasonOf(fail("aggregate"));
    assert.ok(all instanceof AggregateError);
    assert.ok(all.errors[0] instanceof TypeError);
    assert.equal(all.errors[1], "two");
  });

  test("the reason of a rejected promise", async () => {
    const error = await reasonOf(fail("rejected"));
    assert.ok(error instanceof SyntaxError);
    assert.equal(error.message, "in a promise");
  });

  test("with its original stack: the user's file and line, without this package's or Node's own files", async () => {
    const { stack = "" } = (await reasonOf(fail("range"))) as Error;
    assert.match(stack, new RegExp(`functions/failures\\.ts:${lineOf("failures.ts", 'RangeError("out')}:`));
    assert.doesNotMatch(stack, /bundle\.mjs|runner\.mjs|node:internal/);
  });

  test("with a stack that names each of the user's files", async () => {
    const { stack = "" } = (await reasonOf(fail("deep"))) as Error;
    const library = lineOf("failing-library.ts", "throw new Error");
    assert.match(stack, new RegExp(`at failDeep .*functions/failing-library\\.ts:${library}:`));
    assert.match(stack, new RegExp(`functions/failures\\.ts:${lineOf("failures.ts", "deep: () =>")}:`));
  });

  const others: [kind: string, thrown: unknown][] = [
    ["text", "a text"],
    ["nothing", undefined],
    ["null", null],
    ["object", { status: 7 }],
  ];
  for (const [kind, thrown] of others) {
    test(`a value that is not an error: ${kind}`, async () => {
      assert.deepEqual(await reasonOf(fail(kind)), thrown);
    });
  }

  test("as a description if it can't be serialized; the worker is kept", async () => {
    for (const kind of ["function", "unreadable"]) {
      const error = await reasonOf(fail(kind));
      assert.ok(error instanceof Error, kind);
      assert.equal(error instanceof FalServerlessError, false, error.message);
    }
    const round = (await reasonOf(fail("cycle"))) as Error;
    assert.equal(round.message, "round");
    assert.equal((round.cause as Error).message, "round");
    assert.equal(await fail("fine"), "fine");
  });
});

describe("with reraise: false", () => {
  test("the error is the cause of an error that names the function", async () => {
    const error = await reasonOf(failWrapped("causes"));
    assert.ok(error instanceof UserFunctionException);
    assert.equal(error.code, "USER_FUNCTION_FAILED");
    assert.equal(error.message, "failWrapped() threw: outer");
    assert.ok(error.cause instanceof Error);
    assert.ok(error.cause.cause instanceof TypeError);
    assert.match(error.stack ?? "", /functions-failures\.test\.ts/, "its own stack leads to the call");
    assert.match(error.cause.stack ?? "", /functions\/failures\.ts/);
  });

  test("a value that is not an error is a cause too", async () => {
    const error = await reasonOf(failWrapped("text"));
    assert.ok(error instanceof UserFunctionException);
    assert.equal(error.cause, "a text");
    assert.equal(error.message, "failWrapped() threw: a text");
  });

  test("a copy of the function with another reraise option follows its own", async () => {
    assert.ok((await reasonOf(failWrapped.on({ reraise: true })("range"))) instanceof RangeError);
    assert.ok((await reasonOf(fail.on({ reraise: false })("range"))) instanceof UserFunctionException);
  });

  test("submit and spawn reject in the same way", async () => {
    assert.ok((await reasonOf(failWrapped.submit("range"))) instanceof UserFunctionException);
    assert.ok((await reasonOf(failWrapped.spawn("range").result)) instanceof UserFunctionException);
    assert.ok((await reasonOf(fail.submit("range"))) instanceof RangeError);
    assert.ok((await reasonOf(fail.spawn("range").result)) instanceof RangeError);
  });
});

describe("a setup that fails", () => {
  test("rejects every waiting call with its own error, and is run again by the next call", async () => {
    const errors = await Promise.all([1, 2, 3].map(() => reasonOf(failInSetup())));
    for (const error of errors) {
      assert.ok(error instanceof RangeError);
      assert.equal(error.message, "no model there");
      assert.match(
        error.stack ?? "",
        new RegExp(`functions/failures\\.ts:${lineOf("failures.ts", "no model there")}:`),
      );
    }
    assert.ok((await reasonOf(failInSetup())) instanceof RangeError);
  });

  test("by a rejected promise, with reraise: false, is reported as the cause", async () => {
    const error = await reasonOf(rejectInSetup());
    assert.ok(error instanceof UserFunctionException || error instanceof AppException);
    const cause = error instanceof UserFunctionException ? error.cause : error;
    assert.ok(cause instanceof AppException);
    assert.equal(cause.statusCode, 402);
  });
});

describe("a missing package", () => {
  test("imported by the module is reported with the import and the requirement to add", async () => {
    const error = await reasonOf(connect());
    assert.ok(error instanceof FalMissingDependencyError);
    assert.equal(error.code, "MISSING_DEPENDENCY");
    assert.equal(error.packageName, "ws");
    assert.equal(error.requirement, `ws@${versionOf("ws")}`);
    assert.equal(
      error.message,
      'The environment of connect() has no package "ws", which test/fixtures/functions/missing-static.ts imports as ' +
        `"ws". Add it to the options: requirements: ["ws@${versionOf("ws")}"]`,
    );
  });

  test("imported dynamically is reported in the same way", async () => {
    const error = await reasonOf(late.encode(1));
    assert.ok(error instanceof FalMissingDependencyError);
    assert.equal(error.requirement, `@msgpack/msgpack@${versionOf("@msgpack/msgpack")}`);
    assert.match(
      error.message,
      /which test\/fixtures\/functions\/missing-late\.ts imports as "@msgpack\/msgpack"/,
    );
  });

  test("unknown to the caller too is reported without a version", async () => {
    for (const call of [late.loadNowhere, late.requireNowhere]) {
      const error = await reasonOf(call());
      assert.ok(error instanceof FalMissingDependencyError, String(error));
      assert.equal(error.requirement, "no-such-package-anywhere");
    }
  });

  test("is not confused with a missing file", async () => {
    const error = await reasonOf(late.loadFile());
    assert.ok(error instanceof Error);
    assert.equal(error instanceof FalServerlessError, false);
    assert.equal((error as NodeJS.ErrnoException).code, "ERR_MODULE_NOT_FOUND");
  });

  test("is found before anything is installed or run", async () => {
    const [missing, ...others] = await findMissingDependencies(connect, { kind: "npm" });
    assert.deepEqual(others, []);
    assert.equal(missing?.packageName, "ws");
    assert.equal(missing?.requirement, `ws@${versionOf("ws")}`);
    assert.deepEqual(await findMissingDependencies(connect, { kind: "npm", requirements: ["ws@8"] }), []);
  });
});

test("a worker has none of the caller's packages, not even this one", async () => {
  assert.deepEqual(await late.pathsOfCaller(), { ws: false, typebox: false, servable: false, fs: true });
});
