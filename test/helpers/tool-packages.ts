import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { promisify } from "node:util";
import { cleanEnvironment, root } from "./cli.ts";
import { compiledPackage } from "./compiled-package.ts";

const run = promisify(execFile);
const FOLDER = join(root, ".cache/tools");
const MANIFESTS = ["package.json", "package-lock.json"];

/**
 * Installs the packages of `test/tools/<name>`, once per lockfile. They are not among the packages of this repository,
 * because only some tests need them.
 * @returns the folder whose `node_modules` holds the packages
 */
async function installTools(name: string): Promise<string> {
  const source = join(root, "test/tools", name);
  const key = createHash("sha256").update(readFileSync(join(source, "package-lock.json")));
  const folder = join(FOLDER, `${name}-${key.digest("hex").slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  mkdirSync(FOLDER, { recursive: true });
  const making = mkdtempSync(join(FOLDER, "making-"));
  for (const file of MANIFESTS) copyFileSync(join(source, file), join(making, file));
  await run("npm", ["ci", "--prefer-offline"], { cwd: making, env: cleanEnvironment(), maxBuffer: 1 << 24 });
  try {
    renameSync(making, folder);
  } catch (error) {
    rmSync(making, { recursive: true }); // another run finished first
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

/**
 * Creates a project with these files. It can import the packages of `test/tools/<name>`, typebox and this package.
 * Removed after the tests.
 * @returns the project's folder
 */
export async function createToolProject(
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const folder = mkdtempSync(join(await installTools(name), "run-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(compiledPackage(), join(folder, "node_modules/servable"), "dir");
  symlinkSync(join(root, "node_modules/typebox"), join(folder, "node_modules/typebox"), "dir");
  for (const [path, text] of Object.entries({
    "package.json": '{"private":true,"type":"module"}',
    ...files,
  })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}
