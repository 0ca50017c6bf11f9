import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { environmentKey, normalizedSteps } from "../../../src/environments/environment-key.ts";
import { createCacheFolder } from "../../helpers/environments.ts";
import { satisfiesNode } from "../../../src/environments/node-runtime.ts";

const NODE = { version: "22.11.0", modules: "127" };

function keyOf(steps: string[][], node = NODE): string {
  return environmentKey({ kind: "npm", steps: normalizedSteps(steps) }, node);
}

describe("the key of an environment", () => {
  test("is the same for equal requirements, whatever their order within a step", () => {
    assert.equal(keyOf([["a", "b"], ["c"]]), keyOf([["b", "a", "a"], [], ["c"]]));
    assert.match(keyOf([["a", "@s/b@1"]]), /^s-b\+a-[0-9a-f]{20}$/);
  });

  test("depends on everything that affects the content of the environment", () => {
    const keys = [
      keyOf([["a", "b"]]),
      keyOf([["a"], ["b"]]),
      keyOf([["b"], ["a"]]),
      keyOf([["a", "b@1"]]),
      keyOf([["a", "b"]], { version: "24.0.0", modules: "127" }),
      keyOf([["a", "b"]], { version: "22.11.0", modules: "128" }),
    ];
    assert.equal(new Set(keys).size, keys.length);
  });

  test("is the same for all releases of one major version of Node", () => {
    assert.equal(keyOf([["a"]]), keyOf([["a"]], { version: "22.20.1", modules: "127" }));
  });

  test("of a local package depends on its files, but not on links, which npm omits", () => {
    using folder = createCacheFolder();
    const file = join(folder.path, "index.js");
    writeFileSync(file, "1");
    mkdirSync(join(folder.path, "lib"));
    const plain = keyOf([[folder.path]]);
    symlinkSync("/nowhere", join(folder.path, "lib/.lock"));
    symlinkSync(".", join(folder.path, "self"));
    assert.equal(keyOf([[folder.path]]), plain);
    writeFileSync(file, "2");
    const changed = keyOf([[folder.path]]);
    writeFileSync(join(folder.path, "lib/more.js"), "");
    assert.equal(new Set([plain, changed, keyOf([[folder.path]])]).size, 3);
  });

  test("has a readable part of limited length", () => {
    assert.ok(keyOf([Array.from({ length: 50 }, (_, index) => `package-${index}`)]).length <= 61);
    assert.match(keyOf([]), /^empty-/);
  });
});

test("a Node version is compared part by part", () => {
  assert.deepEqual(
    ["22", "22.11", "22.11.0", "2", "22.1", "22.11.1", "24"].map((wanted) =>
      satisfiesNode("22.11.0", wanted),
    ),
    [true, true, true, false, false, false, false],
  );
});
