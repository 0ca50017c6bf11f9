import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseSourceTarget } from "../../../src/cli/source-target.ts";

const folder = mkdtempSync(join(tmpdir(), "servable-target-"));
after(() => rmSync(folder, { recursive: true }));
for (const name of ["app.ts", "C:drive.ts", "notes.md"]) writeFileSync(join(folder, name), "");

test("a target is a file, or a file and a class after ::", () => {
  const file = join(folder, "app.ts");
  assert.deepEqual(parseSourceTarget(file), { shown: file, file, className: undefined });
  assert.deepEqual(parseSourceTarget(`${file}::Model`), { shown: file, file, className: "Model" });
});

test("a single colon, as after a drive letter, is part of the path", () => {
  const file = join(folder, "C:drive.ts");
  assert.equal(parseSourceTarget(file).file, file);
  assert.deepEqual(parseSourceTarget(`${file}::Model`), { shown: file, file, className: "Model" });
});

test("an incomplete target is rejected", () => {
  assert.throws(() => parseSourceTarget("::Model"), /names no file/);
  assert.throws(() => parseSourceTarget("app.ts::"), /names no class after "::"; write app\.ts::Class\./);
  assert.throws(() => parseSourceTarget(join(folder, "notes.md")), /not a TypeScript or JavaScript file/);
});
