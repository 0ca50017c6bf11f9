import { readFile } from "node:fs/promises";
import { dirname, extname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const EXTENSION = extname(import.meta.url);

/** The folder of this package's code: src, or dist. */
export const OWN_FOLDER = fileURLToPath(new URL("../../", import.meta.url));

/** This package's entries by import specifier. */
const ENTRIES: ReadonlyMap<string, string> = new Map([
  ["servable", "index"],
  ["servable/current", "current"],
  ["servable/media", "media/index"],
  ["servable/testing", "testing/index"],
]);

/** The file of an entry of this package; undefined for any other specifier. */
export function ownEntry(specifier: string): string | undefined {
  const name = ENTRIES.get(specifier);
  return name === undefined ? undefined : `${OWN_FOLDER}${name}${EXTENSION}`;
}

/** Every kind of import from the package itself, except type-only ones. */
const ANY_IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)["']servable["']/g;
const NAMED_IMPORT = /\bimport\s*\{([^{}]*)\}\s*from\s*["']servable["']/g;
const TYPE_IMPORT = /\b(?:import|export)\s+type\b[^;"']*from\s*["']servable["']/g;

/**
 * The code of a module that exports only the names of the package that a file imports. The index imports hundreds of
 * files, which the bundler would have to read to find that a function needs few of them.
 * @returns undefined if the file does not import the package by names only; the index is used then
 */
export async function narrowEntry(importer: string): Promise<string | undefined> {
  const text = await readFile(importer, "utf8").catch(() => "");
  const named = [...text.matchAll(NAMED_IMPORT)];
  const types = [...text.matchAll(TYPE_IMPORT)];
  if (named.length === 0 || [...text.matchAll(ANY_IMPORT)].length !== named.length + types.length) {
    return undefined;
  }
  const homes = await ownExports();
  const lines = new Set<string>();
  for (const [, names = ""] of named) {
    for (const part of names.replaceAll(/\/\*[^]*?\*\/|\/\/.*$/gm, "").split(",")) {
      const [name = ""] = part.trim().split(/\s+as\s+/);
      const home = homes.get(name);
      // Types are not in the map.
      if (home !== undefined) lines.add(`export { ${name} } from ${JSON.stringify(home)};`);
    }
  }
  return [...lines].join("\n");
}

let exportsOfIndex: Promise<ReadonlyMap<string, string>> | undefined;

/** Export of the index → the file that it comes from. */
function ownExports(): Promise<ReadonlyMap<string, string>> {
  return (exportsOfIndex ??= readOwnExports());
}

async function readOwnExports(): Promise<ReadonlyMap<string, string>> {
  const index = `${OWN_FOLDER}index${EXTENSION}`;
  const homes = new Map<string, string>();
  for (const [, names = "", home = ""] of (await readFile(index, "utf8")).matchAll(
    /^export \{([^}]*)\} from "([^"]+)";/gm,
  )) {
    for (const name of names.split(",").map((part) => part.trim())) {
      if (name !== "" && !name.startsWith("type ")) homes.set(name, resolve(dirname(index), home));
    }
  }
  return homes;
}
