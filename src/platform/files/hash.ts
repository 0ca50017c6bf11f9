import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { unreadable } from "../../build-context/file-failures.ts";
import { checkSize, type CollectedFile } from "../../build-context/collected-files.ts";
import { FalServerlessError } from "../../errors.ts";
import { mapParallel } from "./concurrency.ts";

/** The size of a part of an upload, in bytes: 10 MiB. The last part of a file may be smaller. */
export const PART_BYTES = 10 * 1024 ** 2;

const BUFFER_BYTES = 256 * 1024;
/** Number of files that are hashed at a time: Node reads files with four threads. */
const PARALLEL_HASHES = 4;

/** A file with the hash that identifies it at the store. */
export interface HashedFile extends CollectedFile {
  /** SHA-256 of the file's bytes followed by its mode as a decimal number, in hex. */
  readonly hash: string;
  /** The mode, including the bits for the file type: 33188 is a file of 0644. */
  readonly mode: number;
  /** The time of the last write, in seconds since 1970. */
  readonly modifiedSeconds: number;
  /** The CRC-32 of each part, to detect changes between hashing and upload. An empty file has one part. */
  readonly partSums: readonly number[];
}

/** Options of {@link hashFiles}. */
export interface HashOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the size of each file that has been read. */
  readonly onHashed?: ((sizeBytes: number) => void) | undefined;
}

/**
 * Hashes files, four at a time, with one buffer of 256 KiB each. The result has the order of the files.
 * @throws FalServerlessError with code UPLOAD_FAILED if a file can't be read or has become too large
 */
export async function hashFiles(
  files: readonly CollectedFile[],
  { signal, onHashed }: HashOptions = {},
): Promise<HashedFile[]> {
  const spare: Buffer[] = [];
  return mapParallel(files, PARALLEL_HASHES, async (file) => {
    const buffer = spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    const hashed = await hashFile(file, buffer, signal);
    spare.push(buffer);
    onHashed?.(hashed.sizeBytes);
    return hashed;
  });
}

async function hashFile(
  file: CollectedFile,
  buffer: Buffer,
  signal: AbortSignal | undefined,
): Promise<HashedFile> {
  signal?.throwIfAborted();
  try {
    await using handle = await open(file.absolutePath, "r");
    const { mode, mtimeMs } = await handle.stat();
    const whole = createHash("sha256");
    const partSums: number[] = [];
    let sizeBytes = 0;
    for (;;) {
      signal?.throwIfAborted();
      // Limits a read to its part, because each part has its own checksum.
      const wanted = Math.min(buffer.length, PART_BYTES - (sizeBytes % PART_BYTES));
      const { bytesRead } = await handle.read(buffer, 0, wanted, sizeBytes);
      if (bytesRead === 0) break;
      const bytes = buffer.subarray(0, bytesRead);
      whole.update(bytes);
      const part = Math.floor(sizeBytes / PART_BYTES);
      partSums[part] = crc32(bytes, partSums[part] ?? 0);
      sizeBytes += bytesRead;
      checkSize(file.relativePath, sizeBytes);
    }
    if (partSums.length === 0) partSums.push(0);
    const hash = whole.update(String(mode)).digest("hex");
    return { ...file, sizeBytes, hash, mode, modifiedSeconds: mtimeMs / 1000, partSums };
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof FalServerlessError ? error : unreadable(file.relativePath, error);
  }
}

/** The offset and length of a part, in bytes. Parts are counted from 1. */
export function partRange(
  { sizeBytes }: Pick<HashedFile, "sizeBytes">,
  part: number,
): { readonly start: number; readonly length: number } {
  const start = (part - 1) * PART_BYTES;
  return { start, length: Math.min(PART_BYTES, sizeBytes - start) };
}
