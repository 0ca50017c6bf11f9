import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";

/** Options of {@link writeFileAtomic}. */
export interface AtomicWriteOptions {
  /** Permissions of the file. Default 0o666, less the umask. */
  readonly mode?: number;
  /**
   * Whether to flush the content to the disk before the file is renamed, so that it survives a power failure. Default
   * false.
   */
  readonly isFlushed?: boolean;
}

/**
 * Writes a file under a temporary name in the same folder, and renames it. Readers see either the complete new file or
 * the old one, even if several processes write it.
 */
export function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  { mode, isFlushed = false }: AtomicWriteOptions = {},
): void {
  const temporary = `${path}.${process.pid}-${randomBytes(6).toString("hex")}`;
  try {
    const file = openSync(temporary, "wx", mode);
    try {
      writeFileSync(file, content);
      if (isFlushed) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
