import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Lets this process import a TypeScript file, with the tsconfig.json that is nearest to it. */
export async function registerTypeScript(file: string): Promise<void> {
  const folder = dirname(file);
  const tsconfig = findUp("tsconfig.json", folder);
  const { register } = await import("tsx/esm/api");
  register({ tsconfig: tsconfig ?? false });
  if (isModulePackage(folder)) return;
  if (tsconfig !== undefined) process.env["TSX_TSCONFIG_PATH"] = tsconfig;
  const commonJs = await import("tsx/cjs/api");
  commonJs.register();
}

function findUp(name: string, folder: string): string | undefined {
  for (let current = folder; ; current = dirname(current)) {
    const path = join(current, name);
    if (existsSync(path)) return path;
    if (dirname(current) === current) return undefined;
  }
}

function isModulePackage(folder: string): boolean {
  const path = findUp("package.json", folder);
  try {
    return (
      path !== undefined && (JSON.parse(readFileSync(path, "utf8")) as { type?: string }).type === "module"
    );
  } catch {
    return false; // Node says what is wrong with it
  }
}
