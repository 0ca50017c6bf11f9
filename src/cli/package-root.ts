import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of this package: two levels above this file, in src as in dist. */
export const PACKAGE_ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** The version of this package. */
export function packageVersion(): string {
  const text = readFileSync(join(PACKAGE_ROOT, "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
