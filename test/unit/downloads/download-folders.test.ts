import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { dataFolder, downloadCache } from "../../../src/downloads/download-folders.ts";
import { createFolder } from "../../helpers/folders.ts";

test("downloads are in SERVABLE_CACHE_DIR, on fal in its data folder, and elsewhere in the user's cache", () => {
  const data = createFolder({ file: "" });
  const home = { HOME: "/h", USERPROFILE: "/h", LOCALAPPDATA: "/h", XDG_CACHE_HOME: "/x" };
  assert.equal(downloadCache({ SERVABLE_CACHE_DIR: "/own", FAL_APP_NAME: "a" }, data), "/own");
  for (const name of ["FAL_APP_NAME", "FAL_API_SOCKET"]) {
    assert.equal(downloadCache({ ...home, [name]: "a" }, data), join(data, ".servable"));
  }
  const usual = downloadCache(home, data);
  assert.ok(!usual.startsWith(data), usual);
  for (const missing of [join(data, "none"), join(data, "file")]) {
    assert.equal(downloadCache({ ...home, FAL_APP_NAME: "a" }, missing), usual);
    assert.equal(dataFolder({ FAL_APP_NAME: "a" }, missing), undefined);
  }
});
