import assert from "node:assert/strict";
import { resolve } from "node:path";
import { describe, test } from "node:test";
import {
  absoluteRequirement,
  describeSteps,
  localPath,
  registryRequirement,
  requirementLabel,
} from "../../../src/environments/requirement-specs.ts";

describe("a requirement", () => {
  for (const [requirement, expected] of [
    ["lodash", { name: "lodash", packageName: "lodash", wanted: "" }],
    ["lodash@^4.0.0", { name: "lodash", packageName: "lodash", wanted: "^4.0.0" }],
    ["@scope/x@1", { name: "@scope/x", packageName: "@scope/x", wanted: "1" }],
    ["alias@npm:@real/y@2", { name: "alias", packageName: "@real/y", wanted: "2" }],
    ["socket.io@latest", { name: "socket.io", packageName: "socket.io", wanted: "latest" }],
    ["https://example.com/x.tgz", undefined],
    ["git+https://example.com/x.git", undefined],
    ["github:user/x", undefined],
    ["x@github:user/x", undefined],
    ["x@file:../x", undefined],
    ["user/x", undefined],
    ["./x", undefined],
    ["x.tgz", undefined],
  ] as const) {
    test(`${requirement} ${expected === undefined ? "is no package of a registry" : `is ${expected.packageName}`}`, () => {
      assert.deepEqual(registryRequirement(requirement), expected);
    });
  }

  for (const [requirement, path] of [
    ["./x", "x"],
    ["../x.tgz", "../x.tgz"],
    ["x.tgz", "x.tgz"],
    ["file:../x", "../x"],
    ["name@file:x", "x"],
    ["/srv/x", "/srv/x"],
    ["file:///srv/x", "/srv/x"],
  ] as const) {
    test(`${requirement} is passed to npm as an absolute path`, () => {
      assert.equal(localPath(requirement), resolve(path));
      assert.equal(absoluteRequirement(requirement), `file:${resolve(path)}`);
    });
  }

  for (const requirement of [
    "lodash@4",
    "https://example.com/x.tgz",
    "user/x",
    "git+ssh://git@example.com/x.git",
  ]) {
    test(`${requirement} is passed to npm unchanged`, () =>
      assert.equal(absoluteRequirement(requirement), requirement));
  }

  test("has a label that is valid in a file name", () => {
    assert.deepEqual(
      ["@scope/x@1", "lodash", "./deep/y.tgz", "git+https://e.com/z.git#main"].map(requirementLabel),
      ["scope-x", "lodash", "y", "z.git-main"],
    );
  });

  test("and others are described in one line", () => {
    assert.equal(describeSteps([["a", "b"], ["c"]]), "a, b, c");
    assert.equal(describeSteps([], "/x/package-lock.json"), "/x/package-lock.json");
    assert.equal(describeSteps([]), "no requirements");
    assert.equal(describeSteps([["a", "b", "c", "d", "e", "f", "g", "h"]]), "a, b, c, d, e, f, 2 more");
  });
});
