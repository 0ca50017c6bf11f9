import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { FalMissingDependencyError, RequestCancelledException, UserFunctionException } from "servable";
import { FunctionPlatform } from "../helpers/function-platform.ts";
import * as failures from "../helpers/serverless-failures.ts";
import { echo, lines, print } from "../helpers/serverless-functions.ts";

let platform: FunctionPlatform;
before(async () => {
  platform = await FunctionPlatform.start();
  platform.useEnvironment();
});
after(() => platform[Symbol.asyncDispose]());
beforeEach(() => void lines.splice(0));
const folder = mkdtempSync(join(tmpdir(), "servable-calls-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

describe("a function that can't start rejects with the reason:", () => {
  test("an error of the user's module", async () => {
    await assert.rejects(failures.failsLoading(), (error: Error) => {
      assert.ok(error instanceof RangeError);
      assert.equal(error.message, "not while loading");
      assert.ok(error.stack?.includes(`${fileOf("../helpers/serverless-failures.ts")}:`), error.stack);
      return true;
    });
  });

  test("an error of its setup", async () => {
    await assert.rejects(failures.failsInSetup.on({ reraise: false })(), (error: Error) => {
      assert.ok(error instanceof UserFunctionException);
      assert.ok(error.cause instanceof RangeError);
      assert.equal(error.cause.message, "no model");
      return true;
    });
  });

  test("a startup timeout", async () => {
    await assert.rejects(failures.neverReady(), { code: "STARTUP_TIMEOUT" });
  });
});

test("every nested error names the files of this machine, and earlier output is in the logs", async () => {
  await assert.rejects(failures.failManyTimes(), (error: AggregateError) => {
    assert.ok(error instanceof AggregateError);
    const [deep, second] = error.errors as [Error, Error & { first: Error }];
    assert.ok(deep.stack?.includes(`${fileOf("../fixtures/functions/failing-library.ts")}:3:`), deep.stack);
    for (const { stack = "" } of [error, second, second.first]) {
      assert.ok(stack.includes(`${fileOf("../helpers/serverless-failures.ts")}:`), stack);
      assert.doesNotMatch(stack, /srv\/servable\/source/);
    }
    return true;
  });
  assert.ok(lines.includes("USER STDOUT before it fails"));
});

test("a missing package is reported with the file that imports it, and the requirement to add", async () => {
  await assert.rejects(failures.needsPackage(), (error: Error) => {
    assert.ok(error instanceof FalMissingDependencyError);
    assert.match(
      error.message,
      /which test\/helpers\/serverless-failures\.ts imports as "fastest-levenshtein"\. Add it to the options: requirements: \["fastest-levenshtein@\d/,
    );
    return true;
  });
});

test("the server is healthy while the function blocks its process", async () => {
  await platform.empty();
  const note = join(folder, "go on");
  const call = failures.block(note);
  while (!lines.includes("USER STDOUT blocking")) await delay(10);
  const [app] = platform.apps.values();
  const answer = await fetch(`http://127.0.0.1:${app?.port}/health`);
  assert.equal(answer.status, 200);
  writeFileSync(note, "");
  assert.equal(await call, "done");
});

test("simultaneous calls share one image, and each has its own app and result", async () => {
  const copy = echo.on({ machineType: "M" });
  const before = platform.plane.methods().length;
  const numbers = Array.from({ length: 4 }, (_, index) => index);
  assert.deepEqual(await Promise.all(numbers.map((number) => copy(number))), numbers);
  const methods = platform.plane.methods().slice(before);
  assert.equal(methods.filter((name) => name === "BuildEnvironment").length, 1);
  assert.equal(methods.filter((name) => name === "Run").length, numbers.length);
  await platform.empty();
});

test("for a function with other options, or another one of its module, only the differences are uploaded", async () => {
  await print(0);
  const uploads = (): number => platform.store.count(/\/initiate$/);
  const first = uploads();
  await print.on({ machineType: "L" })(0);
  assert.equal(uploads(), first, "another machine: nothing");
  await echo.on({ machineType: "L" })(0);
  assert.ok(uploads() <= first + 1, "another function: its settings");
  const runs = platform.plane.requestsOf("run");
  assert.deepEqual(runs.at(-1)?.machineRequirements?.machineTypes, ["L"]);
});

test("cancelling a call while its code is uploaded cancels the upload in the store, and builds nothing", async () => {
  await using fresh = await FunctionPlatform.start();
  fresh.useEnvironment();
  try {
    fresh.store.break("PUT", /\/1$/, "stall");
    const call = echo.on({ requestTimeout: 6 }).submit("never");
    await fresh.store.asked(/^PUT /);
    call.cancel();
    await assert.rejects(call, RequestCancelledException);
    // The call rejects immediately; the store receives the cancellation later.
    await fresh.store.asked(/\/cancel$/);
    assert.deepEqual(fresh.plane.methods(), []);
  } finally {
    platform.useEnvironment();
  }
});

test("an app is deleted when the program that called it is killed, or ends by Ctrl-C", async () => {
  const module = new URL("../helpers/serverless-functions.ts", import.meta.url).href;
  const program = `const { waitForAbort } = await import(${JSON.stringify(module)}); await waitForAbort();`;
  await platform.empty();
  const loader = ["--conditions=servable-source", "--import", "tsx"];
  for (const signal of ["SIGKILL", "SIGINT"] as const) {
    const child = spawn(process.execPath, [...loader, "--input-type=module", "--eval", program], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const closed = once(child, "close");
    while (platform.apps.size === 0 && child.exitCode === null) await delay(20);
    child.kill(signal);
    assert.deepEqual(await closed, [null, signal]);
    await platform.empty();
  }
});
