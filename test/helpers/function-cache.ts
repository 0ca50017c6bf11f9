import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

/**
 * The folder of this test file's environments. Who imports it has `SERVABLE_CACHE_DIR` set to it, and it is gone after
 * the tests.
 */
export const functionCache: string = mkdtempSync(join(tmpdir(), "servable-functions-"));
process.env["SERVABLE_CACHE_DIR"] = functionCache;
after(() => rmSync(functionCache, { recursive: true, force: true, maxRetries: 5 }));
