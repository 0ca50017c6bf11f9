import { fileURLToPath, pathToFileURL } from "node:url";
import { didYouMean } from "../did-you-mean.ts";
import { UsageError } from "../errors.ts";
import { findServables, type ExportedServable } from "../routes/servable.ts";
import type { BaseServable } from "../servable/base-servable.ts";
import { loaderOf, registerTypeScript } from "../typescript/register.ts";
import { explainLoadFailure } from "./load-failure.ts";
import { parsePlacedTarget } from "./placed-target.ts";
import { parseSourceTarget, type SourceTarget } from "./source-target.ts";

/** Options of loading a module. */
export interface LoadOptions {
  /** Called with the path of each user file that is imported, now or later. */
  onImport?: (path: string) => void;
}

/** Imports a user's TypeScript and JavaScript files, each with the nearest tsconfig.json. */
class ModuleLoader {
  readonly #options: LoadOptions;
  readonly #imported = new Set<string>();
  readonly #registered = new Set<string>();

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  /** @throws UsageError with file and line if it cannot be parsed or an import is missing */
  async load(file: string): Promise<Record<string, unknown>> {
    this.#imported.add(file);
    const loader = loaderOf(file);
    if (!this.#registered.has(loader)) await registerTypeScript(file, this.#onImport);
    this.#registered.add(loader);
    try {
      return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
    } catch (error) {
      throw explainLoadFailure(error, [...this.#imported]);
    }
  }

  readonly #onImport = (url: string): void => {
    if (!url.startsWith("file:") || url.includes("/node_modules/")) return;
    const path = fileURLToPath(url.replace(/[?#].*$/, ""));
    this.#imported.add(path);
    this.#options.onImport?.(path);
  };
}

/** Imports one file like {@link ModuleLoader}. @throws UsageError */
export async function loadModule(file: string, options: LoadOptions = {}): Promise<Record<string, unknown>> {
  return new ModuleLoader(options).load(file);
}

/** A servable, created from `FILE[::Class]`. */
export interface LoadedApp {
  /** The name of its class, or of the export. */
  readonly name: string;
  readonly app: BaseServable;
}

/** A servable, created from `[/prefix=]FILE[::Class]`. */
export interface LoadedPlacedApp extends LoadedApp {
  /** The path that its requests begin with; undefined: the default. */
  readonly prefix: string | undefined;
}

/** Imports `FILE[::Class]` and creates an instance of its class. @throws UsageError, DefinitionError */
export async function loadApp(text: string, options: LoadOptions = {}): Promise<LoadedApp> {
  return createApp(parseSourceTarget(text), new ModuleLoader(options));
}

/** Imports each `[/prefix=]FILE[::Class]` and creates an instance of its class. @throws UsageError, DefinitionError */
export async function loadApps(
  texts: readonly string[],
  options: LoadOptions = {},
): Promise<LoadedPlacedApp[]> {
  const targets = texts.map((text) => {
    const { prefix, target } = parsePlacedTarget(text);
    return { prefix, source: parseSourceTarget(target) };
  });
  const loader = new ModuleLoader(options);
  const loaded: LoadedPlacedApp[] = [];
  for (const { prefix, source } of targets) loaded.push({ prefix, ...(await createApp(source, loader)) });
  return loaded;
}

async function createApp(target: SourceTarget, loader: ModuleLoader): Promise<LoadedApp> {
  const servable = chooseServable(findServables<BaseServable>(await loader.load(target.file)), target);
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
