import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { progress } from "../lib/benchmark.ts";
import { runCommand } from "../lib/command.ts";
import { ROOT, StagedPackage } from "../lib/staged-package.ts";
import { PYTHON } from "./prerequisites.ts";
import { SOURCES, WORK } from "./work-folder.ts";

const NPM_FLAGS = ["--no-audit", "--no-fund", "--loglevel=error"];

/** Installs the given environments into the work folder, each only if its sources have changed. */
export async function installEnvironments(environments: ReadonlySet<string>): Promise<void> {
  await mkdir(join(WORK, "logs"), { recursive: true });
  await cp(join(SOURCES, "python"), join(WORK, "python"), { recursive: true });
  for (const environment of environments) {
    if (environment === "npm") await installRivals();
    else if (environment === "servable") await installServable();
    else await installPython(environment);
  }
}

/** The npm packages of all rivals, from the lockfile of this benchmark. */
async function installRivals(): Promise<void> {
  const folder = join(WORK, "npm");
  const lockfile = await readFile(join(SOURCES, "npm/package-lock.json"), "utf8");
  await once(folder, lockfile, async () => {
    progress("installing the npm packages of the rivals");
    for (const name of ["package.json", "package-lock.json"]) {
      await cp(join(SOURCES, "npm", name), join(folder, name));
    }
    await runCommand("npm", ["ci", "--ignore-scripts", ...NPM_FLAGS], { cwd: folder });
  });
  await compileServers(folder, (name) => !name.startsWith("servable"));
}

/** This package as it would be published, with its production dependencies. */
async function installServable(): Promise<void> {
  const folder = join(WORK, "servable");
  await once(folder, await hashOfSources(), async () => {
    progress("compiling and installing servable");
    await using staged = await StagedPackage.create();
    await staged.linkDependencies();
    const pack = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder];
    const [packed] = JSON.parse(await runCommand("npm", pack, { cwd: staged.folder })) as [
      { filename: string },
    ];
    await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    const packages = [`./${packed.filename}`, "typebox"];
    await runCommand("npm", ["install", "--omit=dev", ...NPM_FLAGS, ...packages], { cwd: folder });
  });
  await compileServers(folder, (name) => name.startsWith("servable"));
}

/** A virtual environment with the pinned packages of one Python product. */
async function installPython(environment: string): Promise<void> {
  const folder = join(WORK, "venvs", environment);
  const file = join(SOURCES, "python", `${environment}.txt`);
  await once(folder, await readFile(file, "utf8"), async () => {
    progress(`installing ${environment}`);
    await runCommand(PYTHON, ["-m", "venv", folder], { cwd: WORK });
    const install = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", file];
    await runCommand(join(folder, "bin/python"), install, { cwd: WORK });
  });
}

/** Fills a folder unless it was filled from the same sources; a folder that failed half-way is filled again. */
async function once(folder: string, sources: string, install: () => Promise<void>): Promise<void> {
  const stamp = join(folder, ".installed-from");
  const version = createHash("sha256").update(sources).digest("hex");
  if (existsSync(stamp) && (await readFile(stamp, "utf8")) === version) return;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await install();
  await writeFile(stamp, version);
}

/** Compiles the Node servers to one file each, which imports the installed packages. */
async function compileServers(folder: string, belongs: (name: string) => boolean): Promise<void> {
  const names = await readdir(join(SOURCES, "servers"));
  const shared = new Set(["schemas.ts", "work.ts"]);
  await build({
    entryPoints: names
      .filter((name) => belongs(name) && !shared.has(basename(name)))
      .map((name) => join(SOURCES, "servers", name)),
    ...{ bundle: true, packages: "external", platform: "node", format: "esm", target: "es2022" },
    ...{ outdir: folder, outExtension: { ".js": ".mjs" } },
    // NestJS needs the older decorators; Servable takes the standard ones.
    tsconfigRaw: { compilerOptions: { experimentalDecorators: !belongs("servable") } },
  });
}

async function hashOfSources(): Promise<string> {
  const hash = createHash("sha256");
  for (const folder of ["src", "protocol", "templates"]) {
    const entries = await readdir(join(ROOT, folder), { recursive: true, withFileTypes: true });
    for (const entry of entries.filter((item) => item.isFile())) {
      hash.update(await readFile(join(entry.parentPath, entry.name)));
    }
  }
  for (const name of [
    "package.json",
    "tsconfig.build.json",
    "scripts/build-programs.mjs",
    "scripts/bundle-package.mjs",
    "scripts/copy-pages.mjs",
  ]) {
    hash.update(await readFile(join(ROOT, name)));
  }
  return hash.digest("hex");
}
