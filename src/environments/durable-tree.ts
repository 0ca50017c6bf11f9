import { lstat, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { runProgram } from "../processes/program.ts";
import { syncFolder } from "./manifest.ts";

/** Maximum number of files that are inspected or flushed at a time. */
const AT_ONCE = 32;

/** Maximum time to flush a whole file system, in milliseconds. If it takes longer, the disk is busy with other data. */
const FILE_SYSTEM_SYNC_MS = 10_000;

/** Flushes all files of a folder to the disk, and returns their total size in bytes. */
export async function syncTree(folder: string): Promise<number> {
  const { folders, files } = await walk(folder);
  // For thousands of small files, flushing the whole file system is much faster on most disks than flushing each file.
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

/** Flushes the whole file system. False if that is not possible here. */
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
    // A package may have files without read permission, which can't be flushed.
    if (!["EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return lstat(path);
  }
}
