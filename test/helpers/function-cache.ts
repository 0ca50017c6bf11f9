import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

/**
 * Gives this test file a folder of its own for the environments of functions, in `SERVABLE_CACHE_DIR`. It is
 * removed after the tests.
 * @returns the folder
 */
export function useFunctionCache(): string {
  const folder = mkdtempSync(join(tmpdir(), "servable-functions-"));
  process.env["SERVABLE_CACHE_DIR"] = folder;
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
