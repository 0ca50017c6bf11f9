import { execFile } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { FileLock } from "../../src/cache/file-lock.ts";

const run = promisify(execFile);
const FOLDER = fileURLToPath(new URL("../../.cache/python", import.meta.url));

/** A virtual environment of Python: its folder, or why it can't be made. */
type PythonEnvironment = { readonly folder: string } | { readonly missing: string };

/** Installs a package of Python on first use, once for all tests. @param requirement with its exact version */
export async function pythonEnvironment(name: string, requirement: string): Promise<PythonEnvironment> {
  const folder = join(FOLDER, name);
  const mark = join(folder, "installed");
  mkdirSync(FOLDER, { recursive: true });
  const lock = await FileLock.acquire(`${folder}.lock`, {
    instead: () => (existsSync(mark) ? "installed" : undefined),
  });
  if (lock === "installed") return { folder };
  using _held = lock as FileLock;
  if (existsSync(mark)) return { folder }; // by the one that held the lock before
  try {
    await run("python3", ["-m", "venv", "--clear", folder]);
    await run(join(folder, "bin/pip"), ["install", "--quiet", "--no-compile", requirement]);
    writeFileSync(mark, requirement);
    return { folder };
  } catch (error) {
    const why = (error as Error).message.slice(0, 200);
    return { missing: `${requirement} of Python's package index can't be installed: ${why}` };
  }
}
