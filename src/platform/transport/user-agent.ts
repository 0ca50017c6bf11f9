import { readFileSync } from "node:fs";

/** How this package is known to a control plane: `servable/1.2.0 (node)`. */
export const USER_AGENT: string = `servable${version()} (node)`;

/** Of this package. A program that was bundled into one file may not have it beside. */
function version(): string {
  try {
    const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
    const { name, version: number } = JSON.parse(text) as {
      readonly name?: unknown;
      readonly version?: unknown;
    };
    return name === "servable" && typeof number === "string" ? `/${number}` : "";
  } catch {
    return "";
  }
}
