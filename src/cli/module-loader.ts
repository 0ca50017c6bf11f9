import * as nodeModule from "node:module";
import { dirname, extname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { explainLoadFailure } from "./load-failure.ts";
import { resolveSync } from "./module-format.ts";
import { findUp, packageType } from "./project.ts";

/** What may be watched while a module loads. */
export interface LoadOptions {
  /** Told of every file of the user's that is imported, now or later, by its path. */
  onImport?: (path: string) => void;
}

/**
 * Imports a TypeScript or JavaScript file of the user's, with the tsconfig.json that is nearest to it.
 * @throws UsageError that names file and line, when it can't be parsed or something it imports is missing.
 */
export async function loadModule(file: string, options: LoadOptions = {}): Promise<Record<string, unknown>> {
  const imported = new Set([file]);
  await registerTypeScript(file, (path) => {
    imported.add(path);
    options.onImport?.(path);
  });
  try {
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw explainLoadFailure(error, [...imported]);
  }
}

async function registerTypeScript(file: string, onImport: (path: string) => void): Promise<void> {
  const folder = dirname(file);
  const tsconfig = findUp("tsconfig.json", folder);
  const { register } = await import("tsx/esm/api");
  register({
    tsconfig: tsconfig ?? false,
    onImport: (url) => {
      if (url.startsWith("file:") && !url.includes("/node_modules/")) onImport(fileURLToPath(cleanUrl(url)));
    },
  });
  if (packageType(folder) === "commonjs") {
    if (tsconfig !== undefined) process.env["TSX_TSCONFIG_PATH"] = tsconfig;
    const commonJs = await import("tsx/cjs/api");
    commonJs.register();
  } else {
    preferModules();
  }
}

function cleanUrl(url: string): string {
  return url.replace(/[?#].*$/, "");
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
