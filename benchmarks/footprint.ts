/**
 * The size of the installation of a user, and of a contributor.
 *
 * The package is packed as for the registry and installed with `--omit=dev` into an empty project; the repository's
 * own `npm ci` runs in a copy. MB are 1,000,000 bytes. `--quick` uses no registry: it reads both from the
 * repository's own `node_modules`.
 * @module
 */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { runCommand } from "./lib/command.ts";
import { folderSize, readInstallation, type InstalledPackage } from "./lib/installation.ts";
import { atMost, information, type Row } from "./lib/row.ts";
import { ROOT, StagedPackage } from "./lib/staged-package.ts";

/** The maximum size of an install, and its maximum number of packages. */
interface Target {
  readonly megabytes: number;
  readonly packages?: number;
}

const PRODUCTION_TARGET: Target = { megabytes: 44, packages: 100 };
const REPOSITORY_TARGET: Target = { megabytes: 150 };
const NPM_FLAGS = ["--no-audit", "--no-fund", "--loglevel=error"];

await runBenchmark({
  name: "footprint",
  summary: "Size and number of packages of a production install, and of the repository's npm ci.",
  measure: async ({ quick }) => {
    progress("compiling the package");
    await using staged = await StagedPackage.create();
    await staged.linkDependencies();
    if (quick) {
      const repository = await readInstallation(ROOT);
      const own = { bytes: 0, diskBytes: 0, ...(await folderSize(staged.folder)) };
      const production = repository.filter(({ isDevelopment }) => !isDevelopment);
      return rowsOf([...production, { name: "servable", isDevelopment: false, ...own }], repository);
    }
    const folder = await mkdtemp(join(tmpdir(), "servable-footprint-"));
    try {
      const production = await installPackage(staged.folder, join(folder, "production"));
      return rowsOf(production, await installRepository(join(folder, "repository")));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
});

/** The packages that `npm install servable --omit=dev` would install in an empty project. */
async function installPackage(packageFolder: string, project: string): Promise<InstalledPackage[]> {
  progress("packing, and installing for production");
  await mkdir(project, { recursive: true });
  await writeFile(join(project, "package.json"), JSON.stringify({ name: "empty", private: true }));
  // Without scripts: the one before packing would build again, and replace the staged build.
  const pack = ["pack", "--json", "--ignore-scripts", "--pack-destination", project];
  const [packed] = JSON.parse(await runCommand("npm", pack, { cwd: packageFolder })) as [
    { filename: string },
  ];
  await runCommand("npm", ["install", "--omit=dev", ...NPM_FLAGS, `./${packed.filename}`], { cwd: project });
  return readInstallation(project);
}

/** The packages that `npm ci` installs for a contributor. */
async function installRepository(project: string): Promise<InstalledPackage[]> {
  progress("npm ci in a copy of the repository");
  await mkdir(project, { recursive: true });
  for (const name of ["package.json", "package-lock.json", ".npmrc"]) {
    await copyFile(join(ROOT, name), join(project, name));
  }
  await runCommand("npm", ["ci", ...NPM_FLAGS], { cwd: project });
  return readInstallation(project);
}

function rowsOf(production: readonly InstalledPackage[], repository: readonly InstalledPackage[]): Row[] {
  return [
    ...rowsOfInstall("production install", production, PRODUCTION_TARGET),
    ...rowsOfInstall("repository's npm ci", repository, REPOSITORY_TARGET),
  ];
}

function rowsOfInstall(name: string, packages: readonly InstalledPackage[], target: Target): Row[] {
  const sum = (size: (item: InstalledPackage) => number): number =>
    packages.reduce((total, item) => total + size(item), 0) / 1e6;
  const largest = packages.toSorted((a, b) => b.bytes - a.bytes).slice(0, 5);
  return [
    atMost(
      `${name}: size of the files`,
      sum((item) => item.bytes),
      "MB",
      target.megabytes,
    ),
    information(
      `${name}: space on disk`,
      sum((item) => item.diskBytes),
      "MB",
    ),
    target.packages === undefined
      ? information(`${name}: packages`, packages.length, "packages")
      : atMost(`${name}: packages`, packages.length, "packages", target.packages),
    ...largest.map((item, index) =>
      information(`${name}: largest ${index + 1}, ${item.name}`, item.bytes / 1e6, "MB"),
    ),
  ];
}
