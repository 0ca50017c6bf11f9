import assert from "node:assert/strict";
import { test } from "node:test";
import { cacheDirectory } from "../../../src/cache/cache-directory.ts";

test("the cache folder is SERVABLE_CACHE_DIR, otherwise the platform's cache folder", () => {
  const folder = (environment: NodeJS.ProcessEnv, platform: NodeJS.Platform): string =>
    cacheDirectory({ name: "files", code: "FETCH_FAILED" }, environment, platform);
  assert.equal(folder({ SERVABLE_CACHE_DIR: "/own", HOME: "/h" }, "linux"), "/own");
  assert.equal(folder({ XDG_CACHE_HOME: "/xdg", HOME: "/h" }, "linux"), "/xdg/servable");
  assert.equal(folder({ XDG_CACHE_HOME: "relative", HOME: "/h" }, "linux"), "/h/.cache/servable");
  assert.equal(folder({ HOME: "/h" }, "darwin"), "/h/Library/Caches/servable");
  assert.match(folder({ LOCALAPPDATA: "/local" }, "win32"), /^\/local.servable$/);
});
