import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The repository's folder. */
export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

/** A new folder inside the repository, so that packages resolve from it; removed after the tests. */
export function temporaryFolder(): string {
  const cache = join(REPOSITORY, ".cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "test-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Loads modules of a second copy of the package: other files, so that only globals are shared. */
export function secondCopy(): <M>(module: string) => Promise<M> {
  const folder = temporaryFolder();
  cpSync(join(REPOSITORY, "src"), join(folder, "src"), { recursive: true });
  return (module) => import(pathToFileURL(join(folder, "src", module)).href);
}
