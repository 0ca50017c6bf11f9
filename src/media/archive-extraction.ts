import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { crc32 } from "node:zlib";
import type { Entry, ZipFile } from "yauzl";
import type { Content } from "./file-content.ts";
import type { FileLimits } from "./file-limits.ts";

/** Maximum number of folders around a file. */
const MAX_DEPTH = 32;
/** Maximum length of a name or a reason that an error repeats. */
const SHOWN = 200;

/** A file of an extracted archive. */
export interface ExtractedFile {
  /** Its name in the archive, with folders: `pictures/dog.png`. */
  readonly name: string;
  /** Where it is on the disk. */
  readonly path: string;
  /** Number of bytes. */
  readonly size: number;
}

/** Why an archive can't be extracted. */
export class ArchiveFault extends Error {
  readonly type: string;
  readonly ctx: Record<string, unknown> | undefined;

  constructor(message: string, type = "invalid_archive", ctx?: Record<string, unknown>) {
    super(message);
    this.type = type;
    this.ctx = ctx;
  }
}

/**
 * Extracts an archive into a new folder. If it fails, the folder has a part of the files.
 * @param folder a path where nothing is yet
 * @throws ArchiveFault, the reason of the signal, or the file system's error
 */
export async function extractArchive(
  content: Content,
  folder: string,
  { limits, signal }: { readonly limits: FileLimits; readonly signal: AbortSignal | undefined },
): Promise<ExtractedFile[]> {
  await mkdir(folder, { mode: 0o700 });
  const files: ExtractedFile[] = [];
  let archive: ZipFile | undefined;
  try {
    archive = await open(content);
    const { maxFiles } = limits;
    if (archive.entryCount > maxFiles) {
      const ctx = { max_count: maxFiles, provided_count: archive.entryCount };
      const message = `The archive has ${archive.entryCount} files and folders, and may have ${maxFiles}`;
      throw new ArchiveFault(message, "archive_file_count_exceeds_maximum", ctx);
    }
    let total = 0;
    for await (const entry of archive.eachEntry()) {
      signal?.throwIfAborted();
      const parts = checkedParts(entry);
      // The reader of the archive refuses a content that is larger than this size says.
      total += entry.uncompressedSize;
      checkTotal(total, content.size, limits);
      const path = join(folder, ...parts);
      if (entry.fileName.endsWith("/")) {
        await mkdir(path, { recursive: true, mode: 0o700 });
        continue;
      }
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await extractEntry(archive, entry, path, signal);
      files.push({ name: parts.join("/"), path, size: entry.uncompressedSize });
    }
    return files;
  } catch (error) {
    signal?.throwIfAborted();
    throw faultOf(error);
  } finally {
    archive?.close();
  }
}

async function open({ bytes, path }: Content): Promise<ZipFile> {
  const { default: yauzl } = await import("yauzl");
  // Checks that names are relative and have no "..", and that sizes are true.
  const options = { autoClose: false, lazyEntries: true, validateEntrySizes: true };
  if (path !== undefined) return yauzl.openPromise(path, options);
  const view = bytes as Uint8Array;
  return yauzl.fromBufferPromise(Buffer.from(view.buffer, view.byteOffset, view.byteLength), options);
}

/** The names of the folders around an entry, and its own. @throws ArchiveFault for an entry that is not extracted */
function checkedParts(entry: Entry): string[] {
  const name = JSON.stringify(entry.fileName.slice(0, SHOWN));
  const parts = entry.fileName.split("/").filter((part) => part !== "" && part !== ".");
  const isFolder = entry.fileName.endsWith("/");
  const kind = (entry.externalFileAttributes >>> 16) & FILE_KIND;
  if (kind !== 0 && kind !== (isFolder ? FOLDER : REGULAR_FILE))
    throw new ArchiveFault(`The archive has ${name}, which is a link or another special file`);
  if (entry.isEncrypted()) throw new ArchiveFault(`The archive has ${name}, which is encrypted`);
  if (!entry.canDecodeFileData())
    throw new ArchiveFault(`The archive has ${name}, which is compressed by another method than deflate`);
  if (parts.includes("..") || (parts.length === 0 && !isFolder) || hasControl(entry.fileName))
    throw new ArchiveFault(`The archive has ${name}, which is not the name of a file`);
  if (parts.length > MAX_DEPTH)
    throw new ArchiveFault(`The archive has ${name}, which is in more than ${MAX_DEPTH} folders`);
  return parts;
}

/** The bits of a Unix mode that say what a file is. */
const FILE_KIND = 0o170000;
const REGULAR_FILE = 0o100000;
const FOLDER = 0o040000;

function hasControl(name: string): boolean {
  for (let at = 0; at < name.length; at++) if (name.charCodeAt(at) < 0x20) return true;
  return false;
}

function checkTotal(total: number, archiveSize: number, { maxExtractedBytes, maxRatio }: FileLimits): void {
  if (total > maxExtractedBytes) {
    const message = `The files of the archive may have at most ${maxExtractedBytes} bytes in all`;
    throw new ArchiveFault(message, "file_too_large", { max_size: maxExtractedBytes });
  }
  if (total > archiveSize * maxRatio) {
    throw new ArchiveFault(
      `The files of the archive are more than ${maxRatio} times as large as the archive`,
    );
  }
}

async function extractEntry(
  archive: ZipFile,
  entry: Entry,
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  let sum = 0;
  await pipeline(
    await archive.openReadStreamPromise(entry),
    async function* (pieces: AsyncIterable<Uint8Array>) {
      for await (const piece of pieces) {
        sum = crc32(piece, sum);
        yield piece;
      }
    },
    createWriteStream(path, { flags: "wx", mode: 0o600 }),
    { signal: signal as AbortSignal },
  );
  if (sum === entry.crc32) return;
  throw new ArchiveFault(
    `The archive has ${JSON.stringify(entry.fileName.slice(0, SHOWN))}, which is damaged`,
  );
}

/** Errors of the file system that a name in an archive causes: it is there twice, in a file, too long or impossible. */
const OF_NAMES: ReadonlySet<unknown> = new Set([
  ...["EEXIST", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "EILSEQ", "EINVAL", "ENOENT"],
]);

/** The fault behind an error, or an error of the file system that is not the archive's fault. */
function faultOf(error: unknown): unknown {
  if (error instanceof ArchiveFault) return error;
  const { message, code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return new ArchiveFault(`The archive can't be read: ${message.slice(0, SHOWN)}`);
  if (!OF_NAMES.has(code)) return error;
  return new ArchiveFault(`The archive has a name that is there twice, in a file, or impossible (${code})`);
}
