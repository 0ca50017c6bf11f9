import type { BaseServable } from "../servable/base-servable.ts";
import { chooseServable, findServables } from "./exported-servables.ts";
import { loadModule, type LoadOptions } from "./module-loader.ts";
import { parseTarget } from "./target.ts";

/** A servable made from what the user typed. */
export interface LoadedApp {
  /** The name of its class, or of the export. */
  readonly name: string;
  readonly app: BaseServable;
}

/** Imports `FILE[::Class]` and makes an instance of its class. @throws UsageError, DefinitionError */
export async function loadApp(text: string, options: LoadOptions = {}): Promise<LoadedApp> {
  const target = parseTarget(text);
  const servable = chooseServable(findServables(await loadModule(target.file, options)), target);
  return { name: servable.name, app: servable.create() };
}
