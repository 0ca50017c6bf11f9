import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BUNDLE_FILES, bundleFiles, createBundle, type Bundle } from "./bundle.ts";

/** Maximum age of an unused bundle, in ms: one week. Older ones are removed when another bundle is written. */
const UNUSED_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Writes a bundle to a new folder below `parent`, or reuses the folder of the same bundle. Several processes may do so
 * at the same time. Equal bundles from two copies of a project have separate folders, because functions are found by
 * source maps, which name different files.
 * @returns the folder
 */
export async function writeBundle(bundle: Bundle, parent: string): Promise<string> {
  const name = createHash("sha256").update(`${bundle.hash} ${bundle.root}`).digest("hex");
  const folder = join(parent, name);
  const now = new Date();
  try {
    await utimes(folder, now, now);
    return folder;
  } catch {
    // the folder does not exist yet
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
 * Reads a bundle from its folder.
 * @param moduleUrl `file:` URL of its entry module, as named in its source map
 */
export async function readBundle(folder: URL, moduleUrl: string): Promise<Bundle> {
  const read = (name: string): Promise<string> => readFile(fileURLToPath(new URL(name, folder)), "utf8");
  const [code, map, runner, host] = await Promise.all([
    read(BUNDLE_FILES.code),
    read(BUNDLE_FILES.map),
    read(BUNDLE_FILES.runner),
    read(BUNDLE_FILES.host),
  ]);
  // Sources in a written map are absolute URLs, so the root has no effect on them.
  return createBundle({ module: moduleUrl, code, map, runner, host, imports: [], root: folder.href });
}
