import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bundleModule } from "../../src/functions/bundle/bundler.ts";
import type { Bundle } from "../../src/functions/bundle/bundle.ts";
import { createProject } from "./cli.ts";

/** A bundle of a project's module, and the project's folder. */
export interface ProjectBundle extends Bundle {
  readonly folder: string;
}

/** Bundles the first of the files, in a project of its own. */
export async function bundleProject(
  files: Readonly<Record<string, string>>,
  options: { readonly localModules?: readonly string[]; readonly isServed?: boolean } = {},
): Promise<ProjectBundle> {
  const folder = createProject(files);
  const [entry = ""] = Object.keys(files);
  const bundle = await bundleModule({ module: pathToFileURL(join(folder, entry)).href, ...options });
  return { ...bundle, folder };
}

/** The packages that a bundle's code imports when it is loaded; without Node's own modules. */
export function staticImports({ code }: Bundle): string[] {
  return [...code.matchAll(/^import (?:[^;"']*? from )?"([^"]+)";/gm)]
    .map(([, specifier = ""]) => specifier)
    .filter((specifier) => !/^node:|^\.\/bundle\.mjs$/.test(specifier))
    .sort();
}

/** The user's own sources in a bundle, relative to its root; without this package's. */
export function ownSources({ map }: Bundle): string[] {
  const { sources } = JSON.parse(map) as { sources: string[] };
  return sources.filter((source) => !source.startsWith("../")).sort();
}
