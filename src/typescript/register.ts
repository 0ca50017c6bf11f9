import * as nodeModule from "node:module";
import { dirname, extname } from "node:path";
import { resolveSync } from "./module-format.ts";
import { findUp, packageType } from "./package-files.ts";

/**
 * Lets this process import a TypeScript file, with the tsconfig.json that is nearest to it.
 * @param onImport is told of every module that is imported from now on, by its URL
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

/** Node's hooks in the same thread, which its older versions do not have. */
interface SyncHooks {
  registerHooks?: (hooks: { resolve: typeof resolveSync }) => unknown;
}

function preferModules(): void {
  const { registerHooks } = nodeModule as SyncHooks;
  if (registerHooks !== undefined) registerHooks({ resolve: resolveSync });
  else nodeModule.register(new URL(`./module-format${extname(import.meta.url)}`, import.meta.url));
}
