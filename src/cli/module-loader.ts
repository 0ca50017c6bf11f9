import { fileURLToPath, pathToFileURL } from "node:url";
import type { BaseServable } from "../servable/base-servable.ts";
import { registerTypeScript } from "../typescript/register.ts";
import { chooseServable, findServables } from "./exported-servables.ts";
import { explainLoadFailure } from "./load-failure.ts";
import { parseSourceTarget } from "./source-target.ts";

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

/** A servable made from what the user typed. */
export interface LoadedApp {
  /** The name of its class, or of the export. */
  readonly name: string;
  readonly app: BaseServable;
}

/** Imports `FILE[::Class]` and makes an instance of its class. @throws UsageError, DefinitionError */
export async function loadApp(text: string, options: LoadOptions = {}): Promise<LoadedApp> {
  const target = parseSourceTarget(text);
  const servable = chooseServable(findServables(await loadModule(target.file, options)), target);
  return { name: servable.name, app: servable.create() };
}
