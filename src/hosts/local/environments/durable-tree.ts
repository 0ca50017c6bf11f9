import { lstat, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { runProgram } from "../../../processes/program.ts";
import { syncFolder } from "./manifest.ts";

/** Files that are looked at, or written out, at a time. */
const AT_ONCE = 32;

/** How long all of a file system may take to be written out, in milliseconds; beyond, it is busy with others' data. */
const FILE_SYSTEM_SYNC_MS = 10_000;

/** Has all of a folder written out to the disk, and returns the size of its files in bytes. */
export async function syncTree(folder: string): Promise<number> {
  const { folders, files } = await walk(folder);
  // One call for thousands of small files: on most disks many times as quick as one for each.
  const isWritten = await syncFileSystem(folder);
  let sizeBytes = 0;
  const rest = files.values();
  const worker = async (): Promise<void> => {
    for (const path of rest) {
      const { size } = isWritten ? await lstat(path) : await syncFile(path);
      sizeBytes += size;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (!isWritten) for (const path of folders.toReversed()) syncFolder(path);
  return sizeBytes;
}

async function walk(folder: string): Promise<{ readonly folders: string[]; readonly files: string[] }> {
  const folders = [folder];
  const files: string[] = [];
  for (const current of folders) {
    for (const entry of await readdir(current, { withFileTypes: true })) {
      const path = join(current, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile()) files.push(path);
    }
  }
  return { folders, files };
}

/** Has the whole file system written out, where there is a way to. */
async function syncFileSystem(folder: string): Promise<boolean> {
  if (process.platform !== "linux") return false;
  const signal = AbortSignal.timeout(FILE_SYSTEM_SYNC_MS);
  try {
    return (await runProgram("sync", ["-f", folder], { signal, endingBy: "alone" })).code === 0;
  } catch {
    return false; // a slow disk
  }
}

async function syncFile(path: string): Promise<{ readonly size: number }> {
  try {
    await using file = await open(path, "r");
    await file.sync();
    return await file.stat();
  } catch (error) {
    // A package may hold files that nobody may read; their content is the package's own affair.
    if (!["EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return lstat(path);
  }
}
