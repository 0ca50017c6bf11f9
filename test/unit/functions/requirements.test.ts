import assert from "node:assert/strict";
import { test } from "node:test";
import { mergeRequirements, requirementName, toSteps } from "../../../src/functions/requirements.ts";

const NAMES: Readonly<Record<string, string | undefined>> = {
  lodash: "lodash",
  "lodash@": "lodash",
  "lodash@^4": "lodash",
  "lodash@>=4||<2": "lodash",
  "lodash.merge@latest": "lodash.merge",
  "@scope/x": "@scope/x",
  "@scope/x@1": "@scope/x",
  "alias@npm:real@1": "alias",
  "@my/alias@npm:@their/real@1": "@my/alias",
  "name@git+https://example.com/a/b.git": "name",
  "name@file:../x": "name",
  "name@https://example.com/x.tgz": "name",
  "https://example.com/x.tgz": undefined,
  "git+ssh://git@example.com/a/b.git": undefined,
  "git@example.com:a/b.git": undefined,
  "github:a/b": undefined,
  "a/b": undefined,
  "npm:real@1": undefined,
  "file:../x": undefined,
  "./x.tgz": undefined,
  "../x": undefined,
  "x.tgz": undefined,
  "/a/b": undefined,
  "C:\\a": undefined,
  "@scope": undefined,
  "": undefined,
};
for (const [spec, name] of Object.entries(NAMES)) {
  test(`the package of "${spec}" is ${name ?? "unknown"}`, () => {
    assert.equal(requirementName(spec), name);
  });
}

test("a flat list is one step, nested lists are steps, and the steps are new lists", () => {
  assert.deepEqual(toSteps([]), []);
  assert.deepEqual(toSteps(["a", "b"]), [["a", "b"]]);
  const layered = [["a"], [], ["b"]];
  const steps = toSteps(layered);
  assert.deepEqual(steps, layered);
  steps[0]?.push("c");
  assert.deepEqual(layered, [["a"], [], ["b"]]);
});

test("specs without a name are equal if their text is equal", () => {
  assert.deepEqual(mergeRequirements(["./x.tgz"], ["./x.tgz", "./y.tgz"]), ["./x.tgz", "./y.tgz"]);
});
