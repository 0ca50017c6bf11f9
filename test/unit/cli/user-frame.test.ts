import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { PACKAGE_ROOT } from "../../../src/cli/package-root.ts";
import { userFrame } from "../../../src/cli/user-frame.ts";

function errorWith(...frames: string[]): Error {
  const error = new Error("x");
  error.stack = ["Error: x", ...frames.map((frame) => `    at ${frame}`)].join("\n");
  return error;
}

test("the first stack frame in the user's own code is found, in every form", () => {
  const outer = "async serve (node:internal/x:1:2)";
  assert.equal(userFrame(errorWith("f (/a/app.ts:3:4)", outer)), "/a/app.ts:3:4");
  assert.equal(userFrame(errorWith("new Model (file:///a/my%20app.ts?x=1:3:4)")), "/a/my app.ts:3:4");
  assert.equal(userFrame(errorWith("async file:///a/app.ts:3:4")), "/a/app.ts:3:4");
  assert.equal(userFrame(errorWith("/a/app.ts:3:4")), "/a/app.ts:3:4");
  assert.equal(
    userFrame(errorWith(`f (${join(process.cwd(), "lib/app.ts")}:3:4)`)),
    `${join("lib", "app.ts")}:3:4`,
  );
});

test("frames of packages, Node and this package are skipped", () => {
  const frames = [
    "a (/p/node_modules/x/i.js:1:1)",
    "b (node:fs:1:1)",
    `c (${join(PACKAGE_ROOT, "src/x.ts")}:1:1)`,
  ];
  assert.equal(userFrame(errorWith(...frames)), undefined);
  assert.equal(userFrame(errorWith(...frames, "d (/a/app.ts:9:9)")), "/a/app.ts:9:9");
  assert.equal(userFrame("no error"), undefined);
});
