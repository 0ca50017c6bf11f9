import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The nearest file with a name, in a folder or its ancestors. */
export function findUp(name: string, folder: string): string | undefined {
  for (let current = folder; ; current = dirname(current)) {
    const path = join(current, name);
    if (existsSync(path)) return path;
    if (dirname(current) === current) return undefined;
  }
}

/** The "type" of the nearest package.json: "module", "commonjs" or undefined. */
export function packageType(folder: string): string | undefined {
  const path = findUp("package.json", folder);
  if (path === undefined) return undefined;
  try {
    return (JSON.parse(readFileSync(path, "utf8")) as { type?: string }).type;
  } catch {
    return undefined; // Node reports the error
  }
}
