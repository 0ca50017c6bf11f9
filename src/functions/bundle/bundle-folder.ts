import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BUNDLE_FILES, bundleFiles, createBundle, type Bundle } from "./bundle.ts";

/** A bundle that nobody has used for so long is removed when another one is written, in milliseconds: a week. */
const UNUSED_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Puts a bundle into a folder of its own below `parent`, where processes may do so at the same time. One that is there
 * already is left as it is. Equal bundles of two copies of a project lie apart: their maps name different files, by
 * which functions are found.
 * @returns the folder
 */
export async function placeBundle(bundle: Bundle, parent: string): Promise<string> {
  const name = createHash("sha256").update(`${bundle.hash} ${bundle.root}`).digest("hex");
  const folder = join(parent, name);
  const now = new Date();
  try {
    await utimes(folder, now, now);
    return folder;
  } catch {
    // not there yet
  }
  await mkdir(parent, { recursive: true });
  await removeUnused(parent);
  const staging = join(parent, `.${name}-${process.pid}-${Math.random().toString(36).slice(2)}`);
  await mkdir(staging);
  try {
    for (const [file, text] of bundleFiles(bundle))
      await writeFile(join(staging, file), text, { flush: true });
    await rename(staging, folder);
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    // Another process was faster.
    const isThere = await stat(folder).catch(() => undefined);
    if (isThere === undefined) throw error;
  }
  return folder;
}

async function removeUnused(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || Date.now() - found.mtimeMs < UNUSED_MS) continue;
    await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

/**
 * Reads a bundle back from the folder it was put into.
 * @param moduleUrl what its entry module is called there: its `file:` URL
 */
export async function readBundle(folder: URL, moduleUrl: string): Promise<Bundle> {
  const read = (name: string): Promise<string> => readFile(fileURLToPath(new URL(name, folder)), "utf8");
  const [code, map, runner, host] = await Promise.all([
    read(BUNDLE_FILES.code),
    read(BUNDLE_FILES.map),
    read(BUNDLE_FILES.runner),
    read(BUNDLE_FILES.host),
  ]);
  // Sources in a placed map are whole URLs, which any root leaves as they are.
  return createBundle({ module: moduleUrl, code, map, runner, host, imports: [], root: folder.href });
}
