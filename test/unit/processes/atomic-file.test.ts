import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { writeFileAtomic } from "../../../src/processes/atomic-file.ts";

const folder = mkdtempSync(join(tmpdir(), "servable-atomic-"));
after(() => rmSync(folder, { recursive: true }));

test("a file is replaced atomically, with the requested permissions, and no temporary file is left", () => {
  const path = join(folder, "settings");
  writeFileAtomic(path, "old");
  writeFileAtomic(path, "new", { mode: 0o600, isFlushed: true });
  assert.equal(readFileSync(path, "utf8"), "new");
  if (process.platform !== "win32") assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder), ["settings"]);
});

test("a failed write leaves neither a change nor a temporary file", () => {
  const path = join(folder, "taken");
  mkdirSync(join(path, "in"), { recursive: true });
  assert.throws(() => writeFileAtomic(path, "text"), /E(?:ISDIR|NOTEMPTY|EXIST|PERM|ACCES)/);
  assert.deepEqual(readdirSync(folder).sort(), ["settings", "taken"]);
});
