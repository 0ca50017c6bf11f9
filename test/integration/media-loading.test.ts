import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createFolder } from "../helpers/folders.ts";

const program = fileURLToPath(new URL("../fixtures/loaded-modules-app.ts", import.meta.url));

/** The modules that a process has loaded, by its own record of covered code. */
function loadedModules(kind: string): readonly string[] {
  const folder = createFolder();
  const args = ["--conditions=servable-source", "--import", "tsx", program, kind];
  const output = execFileSync(process.execPath, args, {
    env: { ...process.env, NODE_V8_COVERAGE: folder, NODE_OPTIONS: "" },
    encoding: "utf8",
  });
  assert.match(output, /^\{"size":\d+\}$/);
  return readdirSync(folder).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(join(folder, name), "utf8")) as { result: { url: string }[] };
    return result.map(({ url }) => url);
  });
}

/**
 * The code of files and of their storages, and the packages that only they use. The class KVStore is exported, and loads
 * its stores when it first needs one.
 */
const OF_FILES = [
  /\/src\/storage\/(?!kv-store\.ts)/,
  /\/src\/media\/(?:media-file|file-schema|file-rule|runtime|kinds)\.ts/,
  /\/node_modules\/(?:file-type|image-size|undici|yauzl)\//,
];

test("an app without files loads no code of files", () => {
  const without = loadedModules("none");
  assert.ok(without.some((url) => url.includes("/src/server/build.ts")));
  for (const pattern of OF_FILES)
    assert.deepEqual(
      without.filter((url) => pattern.test(url)),
      [],
    );
  const withFiles = loadedModules("files");
  assert.ok(withFiles.some((url) => /\/src\/storage\//.test(url)));
  assert.ok(withFiles.some((url) => url.includes("/src/media/media-file.ts")));
  assert.ok(withFiles.some((url) => url.includes("/node_modules/file-type/")));
});
