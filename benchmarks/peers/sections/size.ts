import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { folderSize, readInstallation } from "../../lib/installation.ts";
import { NPM_PACKAGES, PYTHON_ENVIRONMENTS } from "../products.ts";
import type { SectionContext } from "../section.ts";
import { WORK } from "../work-folder.ts";

/** The packages that a virtual environment has without any installation. */
const BUILT_IN = /^(?:pip|setuptools|wheel)(?:-|$)/;

/** The number and the size of the packages that a product installs. MB are 1,000,000 bytes. */
export async function measureSize(context: SectionContext): Promise<void> {
  const record = (product: string, packages: number, bytes: number): void =>
    context.record({
      ...{ section: "size", kind: "size", product, parameters: {} },
      figures: { packages, megabytes: bytes / 1e6 },
    });
  if (context.wants("servable")) {
    const packages = await readInstallation(join(WORK, "servable"));
    record("servable", packages.length, sum(packages.map(({ bytes }) => bytes)));
  }
  for (const [product, names] of Object.entries(NPM_PACKAGES).filter(([name]) => context.wants(name))) {
    const folders = await packageFolders(names);
    const sizes = await Promise.all(folders.map((folder) => folderSize(join(WORK, "npm", folder))));
    record(product, folders.length, sum(sizes.map((size) => size?.bytes ?? 0)));
  }
  for (const product of PYTHON_ENVIRONMENTS.filter((name) => context.wants(name))) {
    const site = join(WORK, "venvs", product, "lib/python3.11/site-packages");
    const names = (await readdir(site)).filter((name) => !BUILT_IN.test(name));
    const sizes = await Promise.all(names.map((name) => folderSize(join(site, name)).catch(() => undefined)));
    record(
      product,
      names.filter((name) => name.endsWith(".dist-info")).length,
      sum(sizes.map((size) => size?.bytes ?? 0)),
    );
  }
}

interface Locked {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** The installed folders of packages and of all their dependencies: the rivals share one installation. */
async function packageFolders(names: readonly string[]): Promise<string[]> {
  const text = await readFile(join(WORK, "npm/node_modules/.package-lock.json"), "utf8");
  const { packages } = JSON.parse(text) as { packages: Record<string, Locked> };
  const found = new Set<string>();
  const visit = (name: string, from: string): void => {
    const folder = resolveFolder(packages, name, from);
    if (folder === undefined || found.has(folder)) return; // an optional package that is not installed
    found.add(folder);
    const {
      dependencies,
      optionalDependencies,
      peerDependencies = {},
      peerDependenciesMeta,
    } = packages[folder] ?? {};
    const peers = Object.keys(peerDependencies).filter(
      (peer) => peerDependenciesMeta?.[peer]?.optional !== true,
    );
    for (const next of [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers])
      visit(next, folder);
  };
  for (const name of names) visit(name, "");
  return [...found];
}

/** Looks for a package as Node does: in the folder of the importing package, then in those above. */
function resolveFolder(
  packages: Readonly<Record<string, Locked>>,
  name: string,
  from: string,
): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
    const candidate = `${folder === "" ? "" : `${folder}/`}node_modules/${name}`;
    if (candidate in packages) return candidate;
    if (folder === "") return undefined;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
