import assert from "node:assert/strict";
import { existsSync, lstatSync, readdirSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { trimPackages } from "../../../src/packaging/trim/trim-packages.ts";
import { createFolder } from "../../helpers/folders.ts";

const manifest = (fields: object = {}): string => JSON.stringify({ name: "x", version: "1.0.0", ...fields });

const FILES = {
  "a/package.json": manifest({ main: "dist/index.js" }),
  "a/LICENSE.md": "",
  "a/README.md": "",
  "a/dist/index.js": "",
  "a/dist/index.js.map": "",
  "a/dist/index.d.ts": "",
  "a/dist/index.d.mts": "",
  "a/dist/types.d.ts": "",
  "a/dist/lone.map": "",
  "a/dist/test/used.js": "",
  "a/test/a.js": "",
  "a/docs/guide.txt": "",
  "b/package.json": manifest({ exports: { "./x": "./test/x.js" } }),
  "b/test/x.js": "",
  "b/dist/package.json": '{"type":"module"}',
  "b/dist/docs/part.js": "",
  "test/package.json": manifest(),
  "test/index.js": "",
  "@s/c/package.json": manifest({ scripts: { install: "node bench/build.js", test: "node test" } }),
  "@s/c/bench/build.js": "",
  "@s/c/tests/c.js": "",
};

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => !statSync(join(folder, path)).isDirectory())
    .sort();
}

describe("the packages of an image", () => {
  test("lose the files that no program reads, and no others", () => {
    const folder = createFolder(FILES);
    trimPackages(folder, true);
    const gone = new Set([
      "a/README.md",
      "a/dist/index.js.map",
      "a/dist/index.d.ts",
      "a/test/a.js",
      "a/docs/guide.txt",
      "@s/c/tests/c.js",
    ]);
    assert.deepEqual(
      filesOf(folder),
      Object.keys(FILES)
        .filter((path) => !gone.has(path))
        .sort(),
    );
  });

  test("keep all files if that is requested", () => {
    const folder = createFolder(FILES);
    trimPackages(folder, false);
    assert.deepEqual(filesOf(folder), Object.keys(FILES).sort());
  });

  test("have fixed timestamps, links and folders included", () => {
    const folder = createFolder(FILES);
    symlinkSync("../a/dist/index.js", join(folder, "b/link"));
    trimPackages(folder, true);
    for (const path of [".", "a", "a/dist", "a/dist/index.js", "b/link"]) {
      assert.equal(lstatSync(join(folder, path)).mtimeMs, 0, path);
    }
  });

  test("may be missing: the folder is created", () => {
    const folder = join(createFolder(), "node_modules");
    trimPackages(folder, true);
    assert.ok(existsSync(folder));
  });
});
