import { readdirSync, readFileSync, realpathSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { serveRequirements } from "../../src/functions/requirements.ts";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import { NpmRegistry } from "./npm-registry.ts";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** Folders and files that nothing loads at run time. */
const UNUSED = /^(?:tests?|benchmarks?|examples?|docs|fixtures)$|\.(?:map|md|ts|mts|cts|flow)$/;
/** The longest path in an archive of the registry's kind. */
const MAX_PATH = 92;

/** A registry with the packages that a function's server needs, as they are installed here, and others of this project. */
export async function installedRegistry(others: readonly string[] = []): Promise<NpmRegistry> {
  const registry = await NpmRegistry.start();
  const seen = new Set<string>();
  const add = (name: string, from: string): void => {
    const folder = find(name, from);
    if (folder === undefined || seen.has(folder)) return;
    seen.add(folder);
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
    const files: Record<string, Uint8Array> = {};
    collect(folder, "", files);
    const { scripts: _, devDependencies: _dev, ...plain } = manifest as Manifest & Record<string, unknown>;
    registry.publish(manifest.name, manifest.version, { files, manifest: plain });
    for (const dependency of Object.keys(manifest.dependencies ?? {})) add(dependency, folder);
  };
  const names = [...serveRequirements(), ...others].map((spec) => spec.replace(/(?<=.)@.*$/, ""));
  for (const name of names) add(name, ROOT);
  return registry;
}

/** The folder of a package, as Node looks for it. */
function find(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, "node_modules", name);
    if (existsSync(join(path, "package.json"))) return realpathSync(path);
    if (folder === dirname(folder)) return undefined;
  }
}

function collect(root: string, path: string, files: Record<string, Uint8Array>): void {
  for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
    if (entry.name === "node_modules" || UNUSED.test(entry.name) || path + entry.name === "package.json")
      continue;
    const inner = path + entry.name;
    if (entry.isDirectory()) collect(root, `${inner}/`, files);
    else if (entry.isFile() && inner.length <= MAX_PATH) files[inner] = readFileSync(join(root, inner));
  }
}
