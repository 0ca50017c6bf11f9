import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The nearest file of that name in a folder or above it. */
export function findUp(name: string, folder: string): string | undefined {
  for (let current = folder; ; current = dirname(current)) {
    const path = join(current, name);
    if (existsSync(path)) return path;
    if (dirname(current) === current) return undefined;
  }
}

/** What the nearest package.json says of the module format: "module", "commonjs", or nothing. */
export function packageType(folder: string): string | undefined {
  const path = findUp("package.json", folder);
  if (path === undefined) return undefined;
  try {
    return (JSON.parse(readFileSync(path, "utf8")) as { type?: string }).type;
  } catch {
    return undefined; // Node says what is wrong with it
  }
}
