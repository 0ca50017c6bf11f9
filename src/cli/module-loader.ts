import { fileURLToPath, pathToFileURL } from "node:url";
import { registerTypeScript } from "../typescript/register.ts";
import { explainLoadFailure } from "./load-failure.ts";

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
  await registerTypeScript(file, (url) => {
    if (!url.startsWith("file:") || url.includes("/node_modules/")) return;
    const path = fileURLToPath(url.replace(/[?#].*$/, ""));
    imported.add(path);
    options.onImport?.(path);
  });
  try {
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw explainLoadFailure(error, [...imported]);
  }
}
