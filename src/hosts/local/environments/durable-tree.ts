import { lstat, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "./manifest.ts";

/** Files that are written out at a time. */
const AT_ONCE = 32;

/** Writes all files of a folder out to the disk, and returns their size in bytes. */
export async function syncTree(folder: string): Promise<number> {
  const folders: string[] = [folder];
  const files: string[] = [];
  for (let next = 0; next < folders.length; next++) {
    const current = folders[next] as string;
    for (const entry of await readdir(current, { withFileTypes: true })) {
      const path = join(current, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile()) files.push(path);
    }
  }
  let sizeBytes = 0;
  const rest = files.values();
  const worker = async (): Promise<void> => {
    for (const path of rest) {
      const size = await syncFile(path);
      sizeBytes += size;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  for (const path of folders.toReversed()) syncFolder(path);
  return sizeBytes;
}

async function syncFile(path: string): Promise<number> {
  try {
    await using file = await open(path, "r");
    await file.sync();
    return (await file.stat()).size;
  } catch (error) {
    // A package may hold files that nobody may read; their content is the package's own affair.
    if (!["EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return (await lstat(path)).size;
  }
}
