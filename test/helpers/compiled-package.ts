import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));
const FOLDER = join(root, ".cache/packages");
/** What `npm run build` runs after the compiler. */
const BUILD_SCRIPTS = ["scripts/copy-pages.mjs", "scripts/build-programs.mjs", "scripts/bundle-package.mjs"];
/** The time without use after which a folder is removed, in milliseconds: longer than any test run. */
const STALE_MS = 3_600_000;

let compiled: string | undefined;

/**
 * The folder of this package as published, compiled from the current source: a process that runs it starts in
 * a third of the time that the source needs. In this process, and in others with the condition `servable-source`,
 * imports of the package resolve to the source itself.
 */
export function compiledPackage(): string {
  compiled ??= compileOnce();
  return compiled;
}

function compileOnce(): string {
  const folder = join(FOLDER, sourceKey());
  const now = new Date();
  if (existsSync(folder)) {
    utimesSync(folder, now, now);
    return folder;
  }
  mkdirSync(FOLDER, { recursive: true });
  removeStale(now);
  const making = mkdtempSync(join(FOLDER, "making-"));
  const dist = join(making, "dist");
  const compiler = join(root, "node_modules/typescript/lib/tsc.js");
  const flags = ["--noCheck", "--outDir", dist];
  execFileSync(process.execPath, [compiler, "-p", join(root, "tsconfig.build.json"), ...flags]);
  for (const script of BUILD_SCRIPTS) execFileSync(process.execPath, [join(root, script), dist]);
  copyFileSync(join(root, "package.json"), join(making, "package.json"));
  for (const name of ["src", "templates"]) symlinkSync(join(root, name), join(making, name), "dir");
  try {
    renameSync(making, folder);
  } catch (error) {
    // Another test finished first.
    rmSync(making, { recursive: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

/** A key that changes with any file the compiled package is made from. */
function sourceKey(): string {
  const hash = createHash("sha256");
  const add = (path: string): void => {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${path}\n${size}\n${mtimeMs}\n`);
  };
  const files = ["package.json", "tsconfig.json", "tsconfig.build.json", ...BUILD_SCRIPTS];
  for (const name of files) add(join(root, name));
  add(fileURLToPath(import.meta.url));
  for (const entry of readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) add(join(entry.parentPath, entry.name));
  }
  return hash.digest("hex").slice(0, 16);
}

function removeStale(now: Date): void {
  for (const name of readdirSync(FOLDER)) {
    const path = join(FOLDER, name);
    const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: Infinity };
    if (now.getTime() - mtimeMs > STALE_MS) rmSync(path, { recursive: true, force: true });
  }
}

/**
 * A TypeScript program of the tests, compiled to JavaScript that imports the compiled package as `servable`. It starts
 * without a loader, in a third of the time.
 */
export function compiledProgram(file: string): string {
  const { size, mtimeMs } = statSync(file);
  const version = createHash("sha256").update(`${file}\n${size}\n${mtimeMs}`).digest("hex").slice(0, 16);
  const folder = join(compiledPackage(), "tests", version);
  const outfile = join(folder, `${basename(file, ".ts")}.mjs`);
  if (existsSync(outfile)) return outfile;
  const made = `${outfile}.${process.pid}`;
  buildSync({
    ...{ entryPoints: [file], outfile: made, bundle: true, packages: "external" },
    ...{ platform: "node", format: "esm", target: "es2022", sourcemap: "inline" },
  });
  renameSync(made, outfile);
  return outfile;
}
