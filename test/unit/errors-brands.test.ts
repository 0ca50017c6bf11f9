import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type * as errorsModule from "../../src/errors.ts";
import { answerFor } from "../../src/answers.ts";
import * as errors from "../../src/errors.ts";
import { REPOSITORY } from "../helpers/second-copy.ts";

const url = new URL("../../src/errors.ts?copy=2", import.meta.url).href;
const copy = (await import(url)) as typeof errorsModule;

const PARENTS = {
  DefinitionError: "FalServerlessError",
  StartupError: "FalServerlessError",
  UsageError: "FalServerlessError",
  AppException: "FalServerlessError",
  FieldException: "FalServerlessError",
  RequestCancelledException: "AppException",
  RequestTimeoutException: "AppException",
  QueueTimeoutException: "RequestTimeoutException",
  StreamTimeoutException: "RequestTimeoutException",
  SessionTimeoutException: "RequestTimeoutException",
  OverloadException: "AppException",
  BatchLengthException: "AppException",
  BatchItemErrors: "FalServerlessError",
  WorkerDiedException: "AppException",
  GPUException: "AppException",
  GPUOutOfMemoryException: "GPUException",
  CUDAOutOfMemoryException: "GPUOutOfMemoryException",
  InputValidationError: "FalServerlessError",
  OutputValidationError: "FalServerlessError",
  BodyError: "AppException",
  UserFunctionException: "FalServerlessError",
  FalSerializationError: "FalServerlessError",
  FalMissingDependencyError: "FalSerializationError",
  InternalFalServerlessError: "FalServerlessError",
} as const;
type Name = keyof typeof PARENTS | "FalServerlessError";
const NAMES = ["FalServerlessError", ...Object.keys(PARENTS)] as Name[];

const make: { readonly [N in Name]: (from: typeof errorsModule) => Error } = {
  FalServerlessError: (from) => new from.FalServerlessError("USAGE", "m"),
  DefinitionError: (from) => new from.DefinitionError("ROUTES_MISSING", "m"),
  StartupError: (from) => new from.StartupError("SETUP_FAILED", "m"),
  UsageError: (from) => new from.UsageError("m"),
  AppException: (from) => new from.AppException("m"),
  FieldException: (from) => new from.FieldException("f", "m"),
  RequestCancelledException: (from) => new from.RequestCancelledException("m"),
  RequestTimeoutException: (from) => new from.RequestTimeoutException(5),
  QueueTimeoutException: (from) => new from.QueueTimeoutException(5, true),
  StreamTimeoutException: (from) => new from.StreamTimeoutException(5),
  SessionTimeoutException: (from) => new from.SessionTimeoutException(5),
  OverloadException: (from) => new from.OverloadException("m", 429, 1500, "QUEUE_FULL"),
  BatchLengthException: (from) => new from.BatchLengthException("run", 2, 3),
  BatchItemErrors: (from) => new from.BatchItemErrors([]),
  WorkerDiedException: (from) => new from.WorkerDiedException("SIGKILL"),
  GPUException: (from) => new from.GPUException("m"),
  GPUOutOfMemoryException: (from) => new from.GPUOutOfMemoryException("m"),
  CUDAOutOfMemoryException: (from) => new from.CUDAOutOfMemoryException("m"),
  InputValidationError: (from) => new from.InputValidationError([]),
  OutputValidationError: (from) => new from.OutputValidationError("run", []),
  BodyError: (from) => new from.BodyError("BODY_TOO_LARGE"),
  UserFunctionException: (from) => new from.UserFunctionException("m"),
  FalSerializationError: (from) => new from.FalSerializationError("m"),
  FalMissingDependencyError: (from) =>
    new from.FalMissingDependencyError("m", { packageName: "a", requirement: "a@1" }),
  InternalFalServerlessError: (from) => new from.InternalFalServerlessError("m"),
};

function ancestry(name: Name): Name[] {
  return name === "FalServerlessError" ? [name] : [name, ...ancestry(PARENTS[name])];
}

test("the second copy of the package has classes of its own", () => {
  assert.notEqual(copy.AppException, errors.AppException);
});

for (const name of NAMES) {
  test(`a ${name} of either copy is an instance of exactly its ancestors of either copy`, () => {
    const expected = ancestry(name).sort();
    for (const from of [errors, copy]) {
      const error = make[name](from);
      assert.equal(error.name, name);
      assert.ok(error instanceof Error);
      for (const to of [errors, copy]) {
        assert.deepEqual(NAMES.filter((other) => error instanceof to[other]).sort(), expected);
      }
    }
  });
}

test("errors of the other copy are answered like those of this one", () => {
  for (const name of NAMES) {
    assert.deepEqual(answerFor(make[name](copy)), answerFor(make[name](errors)));
  }
});

test("a user's subclass is an instance of its own ancestors, in both copies, and of no sibling", () => {
  class Rude extends errors.AppException {}
  class VeryRude extends Rude {}
  class Other extends errors.AppException {}
  const error = new VeryRude("no", 400);
  for (const type of [
    VeryRude,
    Rude,
    errors.AppException,
    copy.AppException,
    errors.FalServerlessError,
    Error,
  ]) {
    assert.ok(error instanceof type);
  }
  assert.ok(!(error instanceof Other));
  assert.ok(!(error instanceof errors.GPUException));
  assert.ok(!(new errors.AppException("plain") instanceof Rude));
  assert.ok(!(new copy.AppException("plain") instanceof Rude));
  assert.deepEqual(answerFor(error), { status: 400, body: { detail: "no" }, unexpected: false });
});

test("primitive values are not instances of any error class", () => {
  for (const value of [undefined, null, 5, "text", Symbol("s"), () => 5]) {
    assert.ok(!(value instanceof (errors.FalServerlessError as unknown as new () => object)));
  }
});

test("brands are invisible in JSON and in loops", () => {
  const error = new errors.AppException("m", 400);
  assert.deepEqual(Object.keys(error).sort(), ["code", "statusCode"]);
  assert.equal(JSON.stringify(error), '{"code":"APP_EXCEPTION","statusCode":400}');
});

test("an error keeps its cause", () => {
  const cause = new Error("why");
  assert.equal(new errors.AppException("m", 400, { cause }).cause, cause);
  assert.equal(new errors.FieldException("f", "m", { cause }).cause, cause);
});

test("every code of the table is used by a class or thrown somewhere", () => {
  const sources = readdirSync(join(REPOSITORY, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => readFileSync(join(REPOSITORY, "src", file), "utf8"));
  const text = sources.join("\n");
  for (const code of Object.keys(errors.ERRORS)) {
    assert.ok(text.includes(`"${code}"`), `${code} is in the table but nothing throws it`);
  }
});

test("every code has a meaning, and ends a request or a process", () => {
  for (const [code, kind] of Object.entries<errors.ErrorKind>(errors.ERRORS)) {
    assert.match(code, /^[A-Z]+(?:_[A-Z]+)*$/);
    assert.match(kind.meaning, /^\S.*\.$/);
    assert.ok((kind.status === undefined) !== (kind.exitCode === undefined), code);
  }
});

test("the status in the table is the status that is sent", () => {
  for (const name of NAMES) {
    const error = make[name](errors) as errors.FalServerlessError;
    const kind: errors.ErrorKind = errors.ERRORS[error.code];
    if (kind.status !== undefined) assert.equal(answerFor(error).status, kind.status, name);
  }
});
