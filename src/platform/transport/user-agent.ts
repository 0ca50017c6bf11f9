import { readFileSync } from "node:fs";

/** The version of this package; "" if it is not known. */
export const PACKAGE_VERSION: string = version();

/** The User-Agent header of all requests, such as `servable/1.2.0 (node)`. */
export const USER_AGENT: string = `servable${PACKAGE_VERSION === "" ? "" : `/${PACKAGE_VERSION}`} (node)`;

/** The version of this package; "" if the program was bundled without the package.json. */
function version(): string {
  try {
    const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
    const { name, version: number } = JSON.parse(text) as {
      readonly name?: unknown;
      readonly version?: unknown;
    };
    return name === "servable" && typeof number === "string" ? number : "";
  } catch {
    return "";
  }
}
