import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fn, LocalHost } from "servable";

const host = new LocalHost();

export const five = fn({ host }, () => 5);

test("a host without a folder for environments reports an error, can still be closed, and works once it has one", async (t) => {
  for (const name of ["HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA", "SERVABLE_CACHE_DIR"]) {
    delete process.env[name];
  }
  t.mock.method(os, "homedir", () => {
    throw new Error("no such user");
  });
  syncBuiltinESMExports();
  const refused = {
    code: "ENVIRONMENT_FAILED",
    message: /^There is no home folder to keep environments in\. Set SERVABLE_CACHE_DIR/,
  };
  await assert.rejects(five(), refused);
  const closed = host.close();
  await assert.rejects(five(), refused);
  await closed;
  t.mock.restoreAll();
  syncBuiltinESMExports();
  const folder = mkdtempSync(join(os.tmpdir(), "servable-local-host-"));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  process.env["SERVABLE_CACHE_DIR"] = folder;
  assert.equal(await five(), 5);
  await host.close();
});
