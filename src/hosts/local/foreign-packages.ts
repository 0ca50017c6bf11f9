import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** Whether Node, looking for a package from a folder, would look into others that are above it, or the user's. */
export function seesForeignPackages(folder: string): boolean {
  const home = homedir();
  if ([".node_modules", ".node_libraries"].some((name) => existsSync(join(home, name)))) return true;
  for (let current = dirname(folder); ; current = dirname(current)) {
    if (existsSync(join(current, "node_modules"))) return true;
    if (dirname(current) === current) return false;
  }
}
