import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseTarget } from "../../../src/cli/target.ts";

const folder = mkdtempSync(join(tmpdir(), "servable-target-"));
after(() => rmSync(folder, { recursive: true }));
for (const name of ["app.ts", "C:drive.ts", "notes.md"]) writeFileSync(join(folder, name), "");

test("a file, and a class after ::", () => {
  const file = join(folder, "app.ts");
  assert.deepEqual(parseTarget(file), { shown: file, file, className: undefined });
  assert.deepEqual(parseTarget(`${file}::Model`), { shown: file, file, className: "Model" });
});

test("a single colon, as after a drive letter, is part of the path", () => {
  const file = join(folder, "C:drive.ts");
  assert.equal(parseTarget(file).file, file);
  assert.deepEqual(parseTarget(`${file}::Model`), { shown: file, file, className: "Model" });
});

test("half a target is refused", () => {
  assert.throws(() => parseTarget("::Model"), /names no file/);
  assert.throws(() => parseTarget("app.ts::"), /names no class after "::"; write app\.ts::Class\./);
  assert.throws(() => parseTarget(join(folder, "notes.md")), /no TypeScript or JavaScript file/);
});
