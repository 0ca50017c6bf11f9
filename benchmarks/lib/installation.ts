import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** One installed package, without the packages nested in its folder. */
export interface InstalledPackage {
  readonly name: string;
  /** Whether only development dependencies need it. */
  readonly isDevelopment: boolean;
  /** The sum of its files' sizes. */
  readonly bytes: number;
  /** The disk usage of the files in whole blocks, as `du` reports it. */
  readonly diskBytes: number;
}

/** The packages that npm has installed in a project. @throws Error if npm has installed nothing there. */
export async function readInstallation(project: string): Promise<InstalledPackage[]> {
  const record = await readFile(join(project, "node_modules", ".package-lock.json"), "utf8");
  const { packages } = JSON.parse(record) as {
    packages: Record<string, { dev?: boolean; link?: boolean }>;
  };
  const installed: InstalledPackage[] = [];
  const counted = new Set<number>();
  for (const [path, { dev = false, link = false }] of Object.entries(packages)) {
    if (link) continue;
    const size = await folderSize(join(project, path), counted);
    if (size === undefined) continue; // meant for another platform
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    installed.push({ name, isDevelopment: dev, ...size });
  }
  return installed;
}

/**
 * The size of a folder without `node_modules`; undefined if it does not exist. A file with several names counts once:
 * esbuild's program has two.
 * @param counted the inodes of the files that have been counted
 */
export async function folderSize(
  folder: string,
  counted = new Set<number>(),
): Promise<{ bytes: number; diskBytes: number } | undefined> {
  let entries;
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const size = { bytes: 0, diskBytes: 0 };
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (entry.name === "node_modules") continue;
      const inside = await folderSize(path, counted);
      size.bytes += inside?.bytes ?? 0;
      size.diskBytes += inside?.diskBytes ?? 0;
    }
    const { size: bytes, blocks, ino } = await lstat(path);
    if (counted.has(ino)) continue;
    counted.add(ino);
    if (!entry.isDirectory()) size.bytes += bytes;
    size.diskBytes += blocks * 512;
  }
  return size;
}
