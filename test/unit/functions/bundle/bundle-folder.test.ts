import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { createBundle, type Bundle } from "../../../../src/functions/bundle/bundle.ts";
import { writeBundle } from "../../../../src/functions/bundle/bundle-folder.ts";

let parent: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "servable-bundles-"));
});

afterEach(() => rm(parent, { recursive: true, force: true }));

function bundleIn(root: string): Bundle {
  const map = JSON.stringify({ version: 3, sources: ["app.js"], names: [], mappings: "" });
  return createBundle({
    module: "app.js",
    code: "export {};",
    map,
    runner: "",
    host: "host",
    imports: [],
    root,
  });
}

async function sourcesIn(folder: string): Promise<unknown> {
  const map = JSON.parse(await readFile(join(folder, "bundle.mjs.map"), "utf8")) as { sources: unknown };
  return map.sources;
}

test("two copies of a project have equal bundles, each stored with a source map for its own files", async () => {
  const one = bundleIn("file:///one/");
  const two = bundleIn("file:///two/");
  assert.equal(one.hash, two.hash);
  assert.deepEqual(await sourcesIn(await writeBundle(one, parent)), ["file:///one/app.js"]);
  assert.deepEqual(await sourcesIn(await writeBundle(two, parent)), ["file:///two/app.js"]);
});

test("a bundle that is stored again, also concurrently, exists only once", async () => {
  const folders = await Promise.all([1, 2, 3].map(() => writeBundle(bundleIn("file:///one/"), parent)));
  folders.push(await writeBundle(bundleIn("file:///one/"), parent));
  assert.equal(new Set(folders).size, 1);
  assert.equal((await readdir(parent)).length, 1);
});
