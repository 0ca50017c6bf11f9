import * as nodeModule from "node:module";
import { dirname, extname } from "node:path";
import { resolveSync } from "./module-format.ts";
import { findUp, packageType } from "./package-files.ts";

/** Two files with the same result need one registration. */
export function loaderOf(file: string): string {
  const folder = dirname(file);
  return JSON.stringify([findUp("tsconfig.json", folder), packageType(folder) === "commonjs"]);
}

/**
 * Enables imports of a TypeScript file in this process, with the nearest tsconfig.json.
 * @param onImport called with the URL of every module that is imported from now on
 */
export async function registerTypeScript(file: string, onImport?: (url: string) => void): Promise<void> {
  const folder = dirname(file);
  const tsconfig = findUp("tsconfig.json", folder);
  const { register } = await import("tsx/esm/api");
  register({ tsconfig: tsconfig ?? false, ...(onImport === undefined ? {} : { onImport }) });
  if (packageType(folder) === "commonjs") {
    if (tsconfig !== undefined) process.env["TSX_TSCONFIG_PATH"] = tsconfig;
    const commonJs = await import("tsx/cjs/api");
    commonJs.register();
  } else {
    preferModules();
  }
}

/** Node's synchronous hooks, which older versions do not have. */
interface SyncHooks {
  registerHooks?: (hooks: { resolve: typeof resolveSync }) => unknown;
}

function preferModules(): void {
  const { registerHooks } = nodeModule as SyncHooks;
  if (registerHooks !== undefined) registerHooks({ resolve: resolveSync });
  else nodeModule.register(new URL(`./module-format${extname(import.meta.url)}`, import.meta.url));
}
