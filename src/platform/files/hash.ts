import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { unreadable } from "../../build-context/file-failures.ts";
import { checkSize, type CollectedFile } from "../../build-context/collected-files.ts";
import { FalServerlessError } from "../../errors.ts";
import { mapParallel } from "./concurrency.ts";

/** The bytes of one part of an upload: 10 MiB. The last part of a file has what is left. */
export const PART_BYTES = 10 * 1024 ** 2;

const BUFFER_BYTES = 256 * 1024;
/** As many reads as Node has threads for; more would only hold more buffers. */
const PARALLEL_HASHES = 4;

/** A file with the hash the store knows it by. */
export interface HashedFile extends CollectedFile {
  /** SHA-256, in hex, of the file's bytes followed by its mode as a decimal number. */
  readonly hash: string;
  /** The mode, with the bits that tell what kind of file it is: 33188 is a file of 0644. */
  readonly mode: number;
  /** When it was last written, in seconds since 1970. */
  readonly modifiedSeconds: number;
  /** The CRC-32 of each part, by which an upload knows that it sends what was hashed. An empty file has one. */
  readonly partSums: readonly number[];
}

/** What {@link hashFiles} takes beside the files. */
export interface HashOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told the size of each file that has been read. */
  readonly onHashed?: ((sizeBytes: number) => void) | undefined;
}

/**
 * Reads files and computes their hashes, a few at a time, in the files' order. Holds one buffer of 256 KiB for each of
 * those, however large they are.
 *
 * @throws FalServerlessError with code UPLOAD_FAILED when a file cannot be read or has grown too large.
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
      // No read crosses the border of a part.
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

/** Where a part of a file begins and how many bytes it has. Parts are counted from 1. */
export function partRange(
  { sizeBytes }: Pick<HashedFile, "sizeBytes">,
  part: number,
): { readonly start: number; readonly length: number } {
  const start = (part - 1) * PART_BYTES;
  return { start, length: Math.min(PART_BYTES, sizeBytes - start) };
}
