import { fileURLToPath, pathToFileURL } from "node:url";
import { didYouMean } from "../did-you-mean.ts";
import { UsageError } from "../errors.ts";
import { findServables, type ExportedServable } from "../routes/servable.ts";
import type { BaseServable } from "../servable/base-servable.ts";
import { registerTypeScript } from "../typescript/register.ts";
import { explainLoadFailure } from "./load-failure.ts";
import { parseSourceTarget, type SourceTarget } from "./source-target.ts";

/** Options of loading a module. */
export interface LoadOptions {
  /** Called with the path of each user file that is imported, now or later. */
  onImport?: (path: string) => void;
}

/**
 * Imports a user's TypeScript or JavaScript file, with the nearest tsconfig.json.
 * @throws UsageError with file and line if it cannot be parsed or an import is missing.
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

/** A servable, created from `FILE[::Class]`. */
export interface LoadedApp {
  /** The name of its class, or of the export. */
  readonly name: string;
  readonly app: BaseServable;
}

/** Imports `FILE[::Class]` and creates an instance of its class. @throws UsageError, DefinitionError */
export async function loadApp(text: string, options: LoadOptions = {}): Promise<LoadedApp> {
  const target = parseSourceTarget(text);
  const servable = chooseServable(
    findServables<BaseServable>(await loadModule(target.file, options)),
    target,
  );
  return { name: servable.name, app: servable.create() };
}

/** The servable a target means: the named one, else the only one, else the default export. @throws UsageError */
function chooseServable(
  found: readonly ExportedServable<BaseServable>[],
  { shown, className }: SourceTarget,
): ExportedServable<BaseServable> {
  const names = found.map(({ name }) => name);
  const [first, ...others] = found;
  if (first === undefined) {
    throw new UsageError(
      `${shown} exports no servable class; write "export default class MyApp extends App { … }" in it.`,
    );
  }
  if (className !== undefined) {
    const chosen =
      found.find(({ name }) => name === className) ??
      found.find(({ exportNames }) => exportNames.includes(className));
    if (chosen !== undefined) return chosen;
    const hint = didYouMean(className, names);
    throw new UsageError(
      `${shown} exports no servable class ${className}${hint || `; it exports ${names.join(", ")}.`}`,
    );
  }
  const chosen = others.length === 0 ? first : found.find(({ isDefault }) => isDefault);
  if (chosen !== undefined) return chosen;
  throw new UsageError(
    `${shown} exports ${found.length} servable classes: ${names.join(", ")}. ` +
      `Say which one, for example: ${shown}::${first.name}`,
  );
}
